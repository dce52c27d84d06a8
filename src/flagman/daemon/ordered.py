"""Methods of a class that run in a fixed order, each of them once, also if a subclass overrides or calls them.

Some programs do their own work between two stages on the way to a daemon, or replace one of them. There a pid file that
is taken twice, or privileges that are dropped before the root is changed, must be an error and not a surprise.
"""

from __future__ import annotations

from functools import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar


# What pandaemonium's numbered stages are called here: a program that comes from there must not lose one silently.
_BY_NUMBER = (
    *("detach", "prevent_core_dumps", "drop_privileges", "set_umask", "change_directory"),
    *("take_pid_file", "handle_signals", "close_descriptors", "redirect_streams"),
)


class Ordered:
    """Has stages: methods without arguments that a subclass may override, but not reorder."""

    #: The names of the stages, in their order.
    STAGES: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in cls.STAGES:
            if name in vars(cls):
                setattr(cls, name, _once(name, vars(cls)[name]))
        for number, name in enumerate(_BY_NUMBER, 1):
            if f"stage{number}" in vars(cls) and name in cls.STAGES:
                raise TypeError(f"{cls.__name__}.stage{number}() would never be called; the stage is called {name}()")

    def __init__(self) -> None:
        self._done = 0
        self._running = ""
        self._broken = ""
        # The methods that have run of the present stage: an override, and what it overrides.
        self._called: set[Callable[[Ordered], None]] = set()

    def advance(self, last: str = "") -> None:
        """Run the stages up to this one that have not run yet; by default all of them.

        :raises ValueError: if there is no such stage
        """
        if last and last not in self.STAGES:
            raise ValueError(f"{last!r} is not a stage; the stages are {', '.join(self.STAGES)}")
        end = self.STAGES.index(last) + 1 if last else len(self.STAGES)
        for position, name in enumerate(self.STAGES[:end]):
            if position >= self._done:
                getattr(self, name)()
            if position >= self._done:
                raise RuntimeError(f"{name}() has been replaced by something that does not call it")

    def _run_stage(self, name: str, method: Callable[[Ordered], None]) -> None:
        if self._running == name:  # an override calls what it overrides
            if method in self._called:
                raise RuntimeError(f"{name}() has run already")
            self._called.add(method)
            method(self)
            return
        if self._broken:
            raise RuntimeError(f"{name}() cannot run: {self._broken}() has failed")
        if self.STAGES.index(name) < self._done:
            raise RuntimeError(f"{name}() has run already")
        expected = self.STAGES[self._done]
        if name != expected:
            raise RuntimeError(f"{name}() cannot run before {expected}()")
        if self._running:
            raise RuntimeError(f"{name}() cannot run while {self._running}() does")
        self._running, self._broken = name, name
        self._called = {method}
        try:
            method(self)
        finally:
            self._running = ""
        self._broken = ""
        self._done += 1


def _once(name: str, method: Callable[[Ordered], None]) -> Callable[[Ordered], None]:
    @wraps(method)
    def run(self: Ordered) -> None:
        self._run_stage(name, method)

    return run
