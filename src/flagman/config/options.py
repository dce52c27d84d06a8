"""The options of the command ``flagman``, as a table: what there is, without the machinery that parses it.

Most command lines only bind actions, which :mod:`flagman.cli.words` takes out. For the options that are left,
:mod:`flagman.cli.parser` makes an argparse parser of this table; a start without any does not pay for that.
"""

from __future__ import annotations

import signal
from importlib import import_module

from flagman.engine.signals import HANDLED_SIGNALS, flag_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.triggers import Source


class Option:
    """An option with a value, or a switch.

    :param names: short and long
    :param explanation: for the help
    :param value: what the help calls the value; empty for a switch
    :param choices: all values that there are; empty for others
    :param read: reads the value
    :param kind: for a switch, what it does: argparse's name for that
    :param optional: the value may be left out, and is empty then
    :param setting: the attribute of :class:`flagman.config.settings.Settings`; that of the long name by default
    """

    __slots__ = ("choices", "explanation", "kind", "names", "optional", "read", "setting", "value")

    def __init__(  # noqa: PLR0913 - as many as an option has
        self,
        *names: str,
        explanation: str,
        value: str = "",
        choices: tuple[str, ...] = (),
        read: Callable[[str], object] = str,
        kind: str = "store_true",
        setting: str = "",
        optional: bool = False,
    ) -> None:
        self.names = names
        self.explanation = explanation
        self.value = value
        self.choices = choices
        self.read = read
        self.kind = kind
        self.optional = optional
        self.setting = setting or names[-1].removeprefix("--").replace("-", "_")

    @property
    def takes_value(self) -> bool:
        """Tell an option with a value from a switch."""
        return bool(self.value or self.choices)


class TriggerOption:
    """An option that binds an action to a trigger.

    :param name: the long option
    :param explanation: for the help
    :param value: what the help calls the word before the action, if there is one; then it is a key of the file, too
    :param reader: reads that word, or the name of the option, into a :class:`~flagman.triggers.Source`; a place such
        as ``by_clock:every`` in :mod:`flagman.triggers`, which is imported when it is used
    """

    __slots__ = ("explanation", "name", "reader", "value")

    def __init__(self, name: str, explanation: str, value: str, reader: str) -> None:
        self.name = name
        self.explanation = explanation
        self.value = value
        self.reader = reader

    def source(self, text: str) -> Source:
        """Read what raises the flag.

        :param text: the word before the action; empty if there is none
        :raises ValueError: if it cannot be that
        """
        module, _, function = self.reader.partition(":")
        read: Callable[[str], Source] = getattr(import_module(f"flagman.triggers.{module}"), function)
        return read(text or self.name.removeprefix("--"))


def _span(text: str) -> float:
    from flagman.text.spans import parse_span  # noqa: PLC0415

    return parse_span(text)


def _duration(text: str) -> float:
    """Read a span that is not empty."""
    seconds = _span(text)
    if seconds < _SHORTEST:
        raise ValueError(f"{text!r} is too short; the shortest is 1ms")
    return seconds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < _DIGITS and int(text)):
        raise ValueError(f"{text!r} is not a number of times, such as 3")
    return int(text)


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text


def _path(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError(f"{text!r} is not a path")
    return text


def _mode(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < _DIGITS and set(text) <= set("01234567")):
        raise ValueError(f"{text!r} is not an octal number, such as 027")
    mode = int(text, 8)
    if mode > _ALL or not mode & _OTHERS_WRITE:
        raise ValueError(f"{text!r} would let everybody write; take 022, 027 or 077")
    return mode


# Of a file mode.
_ALL = 0o777
_OTHERS_WRITE = 0o002
# Seconds: what the loop can tell from nothing.
_SHORTEST = 0.001
_DIGITS = 10

#: The options that bind an action, by name.
TRIGGERS = {
    option.name: option
    for option in (
        *(
            TriggerOption(f"--{flag_of(s)}", f"add an action for {signal.Signals(s).name}", "", "by_signal:read")
            for s in HANDLED_SIGNALS
        ),
        TriggerOption(
            "--signal", "add an action for any other signal: a name, a number, RTMIN+n", "NAME", "by_signal:read"
        ),
        TriggerOption(
            "--every", "add an action that runs again and again: every 90s, 5m, 1h30m", "SPAN", "by_clock:every"
        ),
        TriggerOption("--after", "add an action that runs once, so long after the start", "SPAN", "by_clock:after"),
    )
}

#: All other options, in the order in which the help shows them after these two: help and version.
OPTIONS = (
    Option("-c", "--config", value="FILE", read=_path, explanation="read options and actions from a TOML file, too"),
    Option("-l", "--list", explanation="list known actions and exit"),
    Option("--check", explanation="check the command line, set nothing up, and exit: 0 if it is good"),
    Option("--print-config", explanation="print all settings and actions as a TOML file, and exit"),
    Option("--print-unit", explanation="print a systemd unit for all that the command line says, and exit"),
    Option(
        "--timer",
        value="SPEC",
        read=_text,
        explanation="with --print-unit: also a timer that sends the first signal: 15m, daily, 'Mon *-*-* 06:00'",
    ),
    Option("--dry-run", explanation="log what the actions would do instead of letting them"),
    Option(
        "--overlap",
        choices=("ignore", "rerun"),
        explanation="a signal while its own actions run: ignore it (default), or run them once more afterwards",
    ),
    Option(
        "--on-error",
        choices=("continue", "close", "exit"),
        explanation="when an action fails: carry on (default), remove the action, or exit with status 1",
    ),
    Option(
        "--timeout",
        value="SPAN",
        read=_duration,
        explanation="interrupt a run of an action that takes longer; it has failed",
    ),
    Option(
        "--max-failures",
        value="N",
        read=_count,
        explanation="exit with status 1 when one action has failed N times in a row",
    ),
    Option(
        "--output",
        choices=("inherit", "log", "null"),
        explanation="what commands print: pass it on (default), log it, or drop it",
    ),
    Option(
        "--debounce",
        value="SPAN",
        read=_span,
        explanation="run the actions of a signal when it has not come for so long",
    ),
    Option("--jitter", value="SPAN", read=_span, explanation="let timers come later by up to so much, at random"),
    Option("--run-at-start", explanation="also run all actions once when ready"),
    Option("--once", explanation="exit with status 0 after the first signal or timer has been answered"),
    Option(
        "--stop-timeout",
        value="SPAN",
        read=_span,
        explanation="let the running action finish for so long after a stop signal (default 30s)",
    ),
    Option("--successful-empty", explanation="exit with status 0, not 1, when all actions have closed"),
    Option("--no-systemd", kind="store_false", setting="systemd", explanation="do not notify systemd about status"),
    Option(
        "--pid-file",
        value="FILE",
        read=_path,
        explanation="write the process id there, and refuse to start where another process holds that file",
    ),
    Option("-d", "--daemon", explanation="go into the background; exit when the daemon is ready"),
    Option(
        "--user",
        value="NAME",
        read=_text,
        optional=True,
        explanation="become this user; without NAME, with --print-unit: for your own systemd, not the system's",
    ),
    Option("--group", value="NAME", read=_text, explanation="become this group (default: that of the user)"),
    Option("--umask", value="MODE", read=_mode, explanation="the file mode creation mask (default with -d: 077)"),
    Option("--chdir", value="DIR", read=_path, explanation="the working directory (default with -d: /)"),
    Option("--chroot", value="DIR", read=_path, explanation="the root directory"),
    Option("--stdout", value="FILE", read=_path, explanation="append standard output to a file when ready"),
    Option("--stderr", value="FILE", read=_path, explanation="append standard error to a file when ready"),
    Option(
        "--log-level",
        choices=("debug", "info", "warning", "error", "critical"),
        explanation="the least level that is logged (default warning)",
    ),
    Option(
        "--log-format",
        choices=("auto", "plain", "journal", "json"),
        explanation="how to log: plain lines, with priorities for the journal, or JSON (default: as stderr needs it)",
    ),
    Option(
        "--log-file", value="FILE", read=_path, explanation="log to a file; if it is rotated away, a new one is opened"
    ),
    Option("-q", "--quiet", explanation="only critical messages; overrides --verbose"),
    Option("-v", "--verbose", kind="count", explanation="more log messages; twice for even more"),
)

#: All long options that bind no action, and whether each takes a value.
LONG_OPTIONS = {"--help": False, "--version": False} | {option.names[-1]: option.takes_value for option in OPTIONS}
