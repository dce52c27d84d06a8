"""Actions that write down what happens to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from flagman import Action, ActionClosed

if TYPE_CHECKING:
    from collections.abc import Callable

JOURNAL: list[str] = []


class Recorder(Action):
    """Writes its life into the journal; a test may set a function that all instances call in their runs."""

    during_run: ClassVar[Callable[[str], object] | None] = None

    def set_up(self, name: str) -> None:
        """Record the set-up."""
        self.name = name
        JOURNAL.append(f"set up {name}")

    def run(self) -> None:
        """Record the run."""
        JOURNAL.append(f"run {self.name}")
        if Recorder.during_run is not None:
            Recorder.during_run(self.name)

    def tear_down(self) -> None:
        """Record the tear-down."""
        JOURNAL.append(f"tear down {self.name}")


class Once(Recorder):
    """Closes itself, and raises ActionClosed."""

    def run(self) -> None:
        """Record the run, and close."""
        super().run()
        self._close()
        raise ActionClosed("once")


class OnceWithoutClosing(Recorder):
    """Raises ActionClosed without closing itself."""

    def run(self) -> None:
        """Record the run, and raise the exception."""
        super().run()
        raise ActionClosed("once")


class Silent(Recorder):
    """Closes itself without an exception."""

    def run(self) -> None:
        """Record the run, and close."""
        super().run()
        self._close()


class Failing(Recorder):
    """Fails in every run."""

    def run(self) -> None:
        """Record the run, and fail."""
        super().run()
        raise RuntimeError(f"{self.name} failed")


class FailingSetUp(Recorder):
    """Cannot be set up."""

    def set_up(self, name: str) -> None:
        """Record the set-up, and fail."""
        super().set_up(name)
        raise RuntimeError("no\nset-up today")


class FailingTearDown(Recorder):
    """Cannot be torn down."""

    def tear_down(self) -> None:
        """Record the tear-down, and fail."""
        super().tear_down()
        raise RuntimeError("no tear-down today")
