"""What one process is told: a table ``[process.NAME]`` of the configuration file, read and checked."""

from __future__ import annotations

from signal import SIGTERM
from types import MappingProxyType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal, NoReturn

    from flagman.config.settings import Restart
    from flagman.supervise.verifiers.check import Check
    from flagman.types import SignalNumber

    #: What a process is meant to be.
    Wanted = Literal["up", "down"]
    #: Which processes get the signals of a stop.
    Kill = Literal["group", "process"]


class Plan:
    """What one process is told; never changed. Two plans that say the same are equal.

    :param name: of the process
    :param values: the keys that the table has, under the names below; all others have their defaults
    """

    #: The program, and its arguments.
    command: tuple[str, ...] = ()
    #: The names of the processes that it waits for at each of its starts.
    after: tuple[str, ...] = ()
    #: Its working directory; None for that of this process.
    directory: str | None = None
    #: Variables that are added to its environment.
    environment: Mapping[str, str] = MappingProxyType({})
    #: Its user; None for that of this process.
    user: str | None = None
    #: Its group; None for that of its user.
    group: str | None = None
    #: Its file mode creation mask; None for that of this process.
    umask: int | None = None
    #: What is added to its nice value, see :manpage:`nice(2)`; None for nothing.
    nice: int | None = None
    #: Its resource limits by name, each soft and hard, -1 for none, see :manpage:`setrlimit(2)`.
    limits: Mapping[str, tuple[int, int]] = MappingProxyType({})
    #: Where its output goes: ``inherit``, ``null``, ``log``, or the path of a file.
    output: str = "inherit"
    #: When it is started again after an end of its own.
    restart: Restart = "on-failure"
    #: Exit statuses that are a success, beside 0.
    success_exit_status: tuple[int, ...] = ()
    #: The most seconds between two starts.
    restart_max_delay: float = 60.0
    #: Whether flagman stops, and ends with its status, when it has ended for good.
    essential: bool = False
    #: Whether it is started with flagman, or only on request.
    wanted: Wanted = "up"
    #: Whether flagman is ready without it.
    optional: bool = False
    #: The signal that asks it to end.
    stop_signal: SignalNumber = SIGTERM
    #: The seconds that it has to end.
    graceful_time: float = 10.0
    #: Whether a stop concerns its process group, or only its leader.
    kill: Kill = "group"
    #: What verifies that it is ready; None if it is ready when it has been started.
    ready: Check | None = None
    #: What verifies again and again that it is well; None for nothing.
    liveness: Check | None = None

    def __init__(self, name: str, **values: object) -> None:
        vars(self).update(values, name=name)

    #: Its name.
    name: str

    def placed(self, absolute: Callable[[str], str]) -> Plan:
        """Return the same plan with absolute paths.

        :param absolute: makes a path absolute
        """
        values: dict[str, object] = {**vars(self)}
        values.pop("name")
        if self.directory is not None:
            values["directory"] = absolute(self.directory)
        if "/" in self.output:
            values["output"] = absolute(self.output)
        for key in ("ready", "liveness"):
            check = getattr(self, key)
            if check is not None:
                values[key] = check.placed(absolute)
        return Plan(self.name, **values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a plan is never changed: {name} = {value!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment] # nothing looks it up by what it says

    def __repr__(self) -> str:
        return f"<Plan of {self.name}>"


def difference(before: Mapping[str, Plan], after: Mapping[str, Plan]) -> dict[str, list[str]]:
    """Return the names of plans, by what a reload makes of them: ``kept``, ``changed``, ``added`` or ``removed``."""
    both = [name for name in after if name in before]
    return {
        "kept": [name for name in both if after[name] == before[name]],
        "changed": [name for name in both if after[name] != before[name]],
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
    }
