"""A control loop for tests: its time passes when it is told to, and so do the events of descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagman.engine.calls import Call, Calls
from flagman.engine.loop import Attachment, Poller
from flagman.engine.wakeup import Wakeup
from flagman.service.control_loop import ControlLoop

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeLoop(ControlLoop):
    """A loop that makes calls at moments of its own clock, and waits for no descriptor."""

    def __init__(self) -> None:  # no call of super(): that would open a pipe
        self.now = 1000.0
        self.thread = 0
        self._has_ended = False
        self._calls = Calls(self.clock, lambda code, _: code())
        self._poller = Poller(Wakeup(is_open=False), lambda code, _: bool(code()) or True, clock=self.clock)
        self.attachments: list[Attachment] = []

    def clock(self) -> float:
        """Return the moment."""
        return self.now

    def call(self, code: Callable[..., object], *arguments: object, **options: object) -> None:
        """Plan a call at once."""
        self.call_later(0, code, *arguments, **options)

    def call_at(self, moment: float, code: Callable[..., object], *arguments: object, **options: object) -> Call:
        """Plan a call."""
        return self._calls.add(moment, lambda: code(*arguments, **options))

    def call_later(self, delay: float, code: Callable[..., object], *arguments: object, **options: object) -> Call:
        """Plan a call."""
        return self.call_at(self.now + delay, code, *arguments, **options)

    def attach(
        self,
        descriptor: int,
        code: Callable[[int], object],
        **_: object,  # the events do not matter
    ) -> Attachment:
        """Remember what is called for a descriptor."""
        self.attachments.append(self._poller.attach(descriptor, code))
        return self.attachments[-1]

    def ready(self) -> None:
        """Call what belongs to the descriptors that have been attached."""
        for attachment in list(self.attachments):
            if attachment.descriptor >= 0:
                attachment.code(0)
            else:
                self.attachments.remove(attachment)

    def due(self) -> float | None:
        """Return the moment of the earliest call; None if there is none."""
        return self._calls.deadline()

    def advance(self, seconds: float) -> None:
        """Move the clock, and make the calls that are due meanwhile, each at its moment."""
        end = self.now + seconds
        while (moment := self._calls.deadline()) is not None and moment <= end:
            self.now = max(self.now, moment)
            self._calls.drain()
        self.now = end
