"""Reads the words after ``flagmanctl``; argparse would take longer than all the rest of a status."""

from __future__ import annotations

from flagman.ctl.verbs import BY_NAME, CALLED_HERE, VERBS, WAYS
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagman.ctl.verbs import Option

# The options that take one of a few words.
_CHOICES = {
    "color": ("auto", "always", "never"),
    "format": ("pymanager", "supervisord", "procfile"),
    "init": ("lsb", "openrc"),
}
# Digits of a number of runs at most.
_DIGITS = 9
_LAST_PORT = 65_535


class Words:
    """What was typed."""

    def __init__(self) -> None:
        self.verb = ""
        #: The words after the verb.
        self.arguments: list[str] = []
        self.name = ""
        self.control = ""
        self.pid_file = ""
        self.json = False
        self.color = "auto"
        self.watch = False
        self.number = 0
        #: Seconds to wait; infinite for no limit, None for no wait.
        self.wait: float | None = None
        self.no_wait = False
        self.follow = False
        #: The port to listen on; 0 for any that is free.
        self.port = 0
        #: The event after which to go on; empty to begin with a snapshot.
        self.since = ""
        self.directory = ""
        #: The configuration file; empty to ask the daemon.
        self.config = ""
        #: The format of a file; empty to find that out.
        self.format = ""
        #: The kind of init script.
        self.init = "lsb"

    @property
    def argument(self) -> str:
        """The first word after the verb; empty if there is none."""
        return self.arguments[0] if self.arguments else ""


def read(typed: Sequence[str]) -> Words:
    """Read the words; options may stand anywhere.

    :raises UsageError: if they are no command
    """
    words, given, arguments = Words(), set[str](), list[str]()
    verb = next((word for word in typed if word in VERBS), "")
    usage = f"see flagmanctl {verb} --help" if verb else "see flagmanctl --help"
    left = list(reversed(typed))
    while left:
        word = left.pop()
        if word == "--":
            arguments += reversed(left)
            break
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            continue
        option, value = _option(word, usage)
        if option.metavar:
            _set(words, option, _value(option, value, left, usage))
        elif value is not None:
            raise UsageError(f"{option.names[-1]} takes no value; {usage}")
        else:
            setattr(words, option.setting, True)
        given.add(option.names[-1])
    if not arguments:
        raise UsageError(f"the verb is missing; {usage}")
    words.verb = _verb(arguments.pop(0))
    _check(words.verb, given, arguments)
    words.arguments = arguments
    return words


def _option(word: str, usage: str) -> tuple[Option, str | None]:
    """Return the option that a word begins with, and its value if that is in the same word."""
    name, equals, value = word.partition("=")
    if name in BY_NAME:
        return BY_NAME[name], value if equals else None
    if word[:2] in BY_NAME:
        return BY_NAME[word[:2]], word[2:]
    from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only for a mistake

    raise UsageError(f"unknown option {word!r}{did_you_mean(name, BY_NAME, otherwise=f'; {usage}', likeness=0.7)}")


def _value(option: Option, value: str | None, left: list[str], usage: str) -> str:
    """Return the value of an option, which may be the next word; empty if it may be left out, and is."""
    name = option.names[-1]
    if option.metavar.startswith("["):
        is_next = value is None and left and left[-1][:1].isdecimal()
        return left.pop() if is_next else value or ""
    if value is None and not left:
        raise UsageError(f"{name} takes a value; {usage}")
    value = left.pop() if value is None else value
    if not value:
        raise UsageError(f"{name}: the value is empty")
    return value


def _set(words: Words, option: Option, value: str) -> None:
    if option.setting == "wait":
        words.wait = _span(value) if value else float("inf")
    elif option.setting == "number":
        if not (value.isascii() and value.isdecimal() and len(value) <= _DIGITS and int(value)):
            raise UsageError(f"{option.names[-1]}: {value!r} is not a number such as 10")
        words.number = int(value)
    elif option.setting == "port":
        if not (value.isascii() and value.isdecimal() and len(value) <= _DIGITS and int(value) <= _LAST_PORT):
            raise UsageError(f"{option.names[-1]}: {value!r} is not the number of a port, such as 8080")
        words.port = int(value)
    elif option.setting == "name" and "/" in value:
        raise UsageError(f"--name: {value!r} is a path; did you mean --control {value}?")
    elif value not in (known := _CHOICES.get(option.setting, (value,))):
        from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only for a mistake

        raise UsageError(f"{option.names[-1]}: {value!r} is not one of {', '.join(known)}{did_you_mean(value, known)}")
    else:
        setattr(words, option.setting, value)


def _span(value: str) -> float:
    from flagman.text.spans import parse_span  # noqa: PLC0415 - most commands have none

    try:
        seconds = parse_span(value)
    except ValueError as error:
        raise UsageError(f"--wait: {error}") from None
    if not seconds:
        raise UsageError(f"--wait: {value!r} is no time to wait; give a span such as 30s, or none for no limit")
    return seconds


def _verb(word: str) -> str:
    if word in VERBS:
        return word
    from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only for a mistake

    here = CALLED_HERE.get(word.lower())
    known = f"; the verbs are {', '.join(VERBS)}"
    hint = f"; did you mean {here!r}?" if here else did_you_mean(word.lower(), VERBS, otherwise=known, likeness=0.7)
    raise UsageError(f"unknown verb {word!r}{hint}")


def _check(verb: str, given: set[str], arguments: list[str]) -> None:
    """Check that what was typed goes together."""
    usage = f"see flagmanctl {verb} --help"
    for name in sorted(given):
        if verb not in BY_NAME[name].verbs:
            raise UsageError(f"{name} is no option of {verb}; {usage}")
    most = VERBS[verb].most
    if len(arguments) > most:
        raise UsageError(f"one word too many: {arguments[most]!r}; {usage}")
    if VERBS[verb].needs_argument and not arguments:
        here = CALLED_HERE.get(verb)
        missing = VERBS[verb].argument.split()[0].rstrip(".")
        raise UsageError(f"{verb}: {missing} is missing; {f'did you mean {here!r}?' if here else usage}")
    ways = [way for way in WAYS if way in given]
    if ways and "--config" in given:
        raise UsageError(f"{ways[0]} and --config exclude each other: the plan of a file needs no daemon")
    if {"--wait", "--no-wait"} <= given:
        raise UsageError("--wait and --no-wait exclude each other")
    if len(ways) > 1:
        raise UsageError(f"{' and '.join(ways)} exclude each other: one of them names the daemon")
