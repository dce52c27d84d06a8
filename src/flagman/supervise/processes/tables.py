"""Reads the tables ``[process.NAME]``: plans out, or all mistakes."""

from __future__ import annotations

from contextlib import suppress

from flagman.config.checks import NAME, is_name
from flagman.config.command_keys import Variables
from flagman.config.endings import Signal, Statuses
from flagman.config.rows import Option
from flagman.config.values import MASK, Choice, Kind, Path, Span, Switch
from flagman.exceptions import UsageError
from flagman.supervise.processes.kinds import Limits, Names, Nice, Output, Words
from flagman.supervise.processes.order import cycles
from flagman.supervise.processes.plan import Plan
from flagman.text.hints import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_SWITCH, _OFF = Switch(), False
_MINUTE = 60.0

#: The keys of a table, by name; the explanations are for the documentation. ``ready`` and ``liveness`` are tables.
KEYS = {
    option.key: option
    for option in (
        Option("command", Words("WORDS"), (), "the program and its arguments; it has to be there"),
        Option("after", Names("NAMES"), (), "the processes that it waits for at each of its starts"),
        Option("directory", Path("DIR"), None, "its working directory"),
        Option("environment", Variables("TABLE"), {}, "variables that are added to its environment"),
        Option("user", Kind("NAME"), None, "the user that it runs as"),
        Option("group", Kind("NAME"), None, "the group that it runs as"),
        Option("umask", MASK, None, "its file mode creation mask"),
        Option("nice", Nice("N"), None, "what is added to its nice value"),
        Option("limits", Limits("TABLE"), {}, "its resource limits"),
        Option("output", Output("WHERE"), "inherit", "where its output goes"),
        Option("restart", Choice("never", "on-failure", "always"), "on-failure", "when it is started again"),
        Option("success-exit-status", Statuses("N,N"), (), "exit statuses that are a success, beside 0"),
        Option("restart-max-delay", Span(1.0), _MINUTE, "the longest time between two starts"),
        Option("essential", _SWITCH, _OFF, "whether flagman ends when it has ended for good"),
        Option("wanted", Choice("up", "down"), "up", "whether it is started with flagman, or only on request"),
        Option("optional", _SWITCH, _OFF, "whether flagman is ready without it"),
        Option("stop-signal", Signal("SIGNAL"), "TERM", "the signal that asks it to end"),
        Option("graceful-time", Span(), 10.0, "the time that it has to end; then it is killed"),
        Option("kill", Choice("group", "process"), "group", "what a stop ends: its process group, or its leader alone"),
    )
}
#: The keys that are verifiers, with explanations.
CHECKS = {
    "ready": "what verifies that it is ready; without it, it is ready when it has been started",
    "liveness": "what verifies again and again that it is well",
}
# What keys of other programs are called here.
_MEANT = {
    "cmd": "command",
    "args": "command",
    "cwd": "directory",
    "env": "environment",
    "depends_on": "after",
    "depends-on": "after",
    "requires": "after",
    "stopsignal": "stop-signal",
    "autorestart": "restart",
    "exitcodes": "success-exit-status",
    "autostart": "wanted",
    "stdout": "output",
    "health": "liveness",
    "healthcheck": "liveness",
    "verifier": "ready",
    "verify": "ready",
}


class Plans(dict[str, Plan]):
    """The plans of all processes by name, in the order of the file.

    :param directory: where relative paths of programs begin
    """

    def __init__(self, plans: Mapping[str, Plan] | None = None, directory: str = "") -> None:
        super().__init__(plans or {})
        self.directory = directory

    def placed(self, absolute: Callable[[str], str]) -> Plans:
        """Return the same plans with absolute paths.

        :param absolute: makes a path absolute
        """
        directory = ""
        with suppress(UsageError):  # it has been deleted; paths that are absolute can be used all the same
            directory = absolute(".").removesuffix(".")
        return Plans({name: plan.placed(absolute) for name, plan in self.items()}, directory)


def read(tables: object) -> tuple[Plans, list[str]]:
    """Return the plans, and all mistakes; with mistakes, plans may be missing.

    :param tables: the table ``process``, as the file says it
    """
    plans = Plans()
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        return plans, ["is not a table of tables; write [process.NAME]"]
    mistakes: list[str] = []
    lower: dict[str, str] = {}
    for name, table in tables.items():
        own: list[str] = []
        if not is_name(name):
            own.append(f"is not {NAME}")
        twin = lower.setdefault(name.lower(), name)
        if twin != name:
            own.append(f"the name differs from {twin!r} only in capitals")
        values = _values(table, own.append)
        mistakes += [f"{_title(name)}: {mistake}" for mistake in own]
        if not own:
            plans[name] = Plan(name, **values)
    mistakes += _wrong_order(tables)
    return plans, mistakes


def _title(name: str) -> str:
    return name if is_name(name) else repr(name)


def _values(table: Mapping[str, object], wrong: Callable[[str], object]) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in table.items():
        try:
            if key in CHECKS:
                values[key] = _check(key, value, wrong)
            elif key in KEYS:
                values[KEYS[key].setting] = KEYS[key].kind.load(value)
            else:
                meant = _MEANT.get(key)
                hint = f"; did you mean {meant!r}?" if meant else did_you_mean(key, (*KEYS, *CHECKS))
                wrong(f"key {key!r}: unknown{hint}")
        except ValueError as error:
            wrong(f"key {key!r}: {error}")
    if "command" not in table:
        wrong("key 'command': is missing")
    return values


def _check(key: str, value: object, wrong: Callable[[str], object]) -> object:
    from flagman.supervise.verifiers.keys import Mistakes  # noqa: PLC0415 - many processes have none
    from flagman.supervise.verifiers.reading import read as read_check  # noqa: PLC0415 - as above

    try:
        return read_check(value, liveness=key == "liveness")
    except Mistakes as error:
        for message in error.messages:
            wrong(f"key {key!r}: {message}")
        return None


def _wrong_order(tables: Mapping[str, Mapping[str, object]]) -> Iterable[str]:
    """Return the mistakes in what comes after what."""
    after: dict[str, list[str]] = {}
    for name, table in tables.items():
        listed = table.get("after", [])
        names = [each for each in listed if isinstance(each, str) and is_name(each)] if isinstance(listed, list) else []
        after[name] = list(dict.fromkeys(names))
        for each in after[name]:
            if each not in tables:
                yield f"{_title(name)}: key 'after': there is no process {each!r}{did_you_mean(each, tables)}"
    for cycle in cycles(after):
        if len(cycle) == 1:
            yield f"{cycle[0]}: key 'after': a process cannot wait for itself"
        else:
            yield f"each of these waits for the next: {' -> '.join([*cycle, cycle[0]])}"


def unknown_users(plans: Mapping[str, Plan]) -> Iterable[str]:
    """Yield the mistakes of plans that name users or groups which there are not here."""
    for name, plan in plans.items():
        if plan.user is not None or plan.group is not None:
            from flagman.supervise.launch.steps import identity_of  # noqa: PLC0415 - few processes have one

            try:
                identity_of(plan.user, plan.group)
            except UsageError as error:
                key, _, why = str(error).partition(":")
                yield f"{name}: key {key!r}:{why}"
