"""The command ``flagmanctl``: tools around a daemon.

The exit statuses of ``status`` are those of the Linux Standard Base for init scripts.
"""

from __future__ import annotations

import sys
from importlib import import_module

from flagman.exceptions import FlagmanError, one_line, reason_of
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flagman.ctl.words import Words

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    :param argv: the program's name and its arguments; ``sys.argv`` by default
    :returns: the exit status
    """
    argv = sys.argv if argv is None else argv
    try:
        return _carry_out(argv[1:])
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # of the output, as when head has seen enough
        return 1
    except OSError as error:
        _complain([reason_of(error)])
        return 1


def _carry_out(typed: Sequence[str]) -> int:
    wants_json = False
    try:
        if answer := _general(typed):
            from flagman.ctl.screen import write  # noqa: PLC0415 - only for the help

            write(answer.rstrip("\n"))
            return 0
        from flagman.ctl.words import read  # noqa: PLC0415 - as above

        words = read(typed)
        wants_json = words.json
        # The table of verbs names these modules; see flagman.ctl.verbs.
        verb: Callable[[Words], int] = import_module(f"flagman.ctl.{words.verb}").run
        return verb(words)
    except FlagmanError as error:
        answer_of_daemon = getattr(error, "answer", None)
        if wants_json and answer_of_daemon is not None:
            from flagman.ctl.asking import write_json  # noqa: PLC0415 - only for a mistake

            write_json(answer_of_daemon)
        else:
            _complain(getattr(error, "messages", None) or [one_line(error)])
        return error.exit_code


def _general(typed: Sequence[str]) -> str:
    """Return what ``--help`` or ``--version`` print; empty if neither was typed."""
    words = typed[: typed.index("--")] if "--" in typed else typed
    if not typed or "-h" in words or "--help" in words:
        from flagman.ctl import usage  # noqa: PLC0415 - argparse takes 5 ms
        from flagman.ctl.verbs import VERBS  # noqa: PLC0415 - only for the help

        verb = next((word for word in words if word in VERBS), "")
        return usage.of_verb(verb) if verb else usage.overview()
    if "-V" in words or "--version" in words:
        from flagman.version import __version__  # noqa: PLC0415 - as above

        return f"flagmanctl {__version__}"
    return ""


def _complain(messages: Iterable[str]) -> None:
    if sys.stderr is None:  # print() would take the standard output instead
        return
    try:
        for message in messages:
            print(f"flagmanctl: error: {printable(one_line(message))}", file=sys.stderr)
    except OSError:
        pass  # there is no place for it


if __name__ == "__main__":
    sys.exit(main())
