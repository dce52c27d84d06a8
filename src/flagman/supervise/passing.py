"""Passes signals on to a command: they are stored in their handler, and sent by the loop that can do it first."""

from __future__ import annotations

import signal
from _thread import allocate_lock
from collections import OrderedDict
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from flagman.config.settings import Forward
    from flagman.service.parts import Site
    from flagman.supervise.instance import Instance
    from flagman.types import SignalNumber

#: The signals that ask the command to stop, each in its own way.
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Passing:
    """Knows which process gets the signals that come to this one.

    :param site: the run
    :param forward: which processes of the command get them
    :param go_on: called in the control loop for CONT, which is not simply sent
    """

    def __init__(self, site: Site, forward: Forward, go_on: Callable[[], object]) -> None:
        self._engine = site.engine
        self._loop = site.loop
        self._forward = forward
        self._go_on = go_on
        # Held while signals are sent, and while what they are sent to is exchanged.
        self._lock = allocate_lock()
        self._instance: Instance | None = None
        # Signals that have arrived and were not sent yet, each once, in the order of their arrival.
        self._arrived: OrderedDict[SignalNumber, None] = OrderedDict()
        # Whether signals wait: a process is being started, and may already run.
        self._holds = False
        #: The one that has asked for the stop first; 0 if none has.
        self.stop_signal: SignalNumber = 0

    def lead_to(self, instance: Instance | None) -> None:
        """Send signals to an instance from now on; with None they are dropped."""
        with self._lock:
            self._instance = instance
            self._holds = False
        self.pass_on()

    def hold(self) -> None:
        """Keep signals until :meth:`lead_to` is called: the next instance is being started."""
        self._holds = True

    def on_signal(self, signum: int, _frame: FrameType | None) -> None:
        """Handle a signal that came to this process."""
        if signum in STOPPING:
            self.stop_signal = self.stop_signal or signum  # the keeper sends it, after the actions that are bound to it
        elif signum == signal.SIGCONT:
            self._loop.call(self._go_on)
        elif signum not in self._arrived and self._forward != "none":
            self._arrived[signum] = None
            # The main loop wakes anyhow, so it is faster; but it cannot pass it on while it runs an action.
            if not self._engine.is_waiting:
                self._loop.call(self.pass_on)

    def pass_on(self) -> None:
        """Send the signals that have arrived; in either loop."""
        while self._arrived and not self._holds:
            with self._lock, suppress(KeyError):  # the other loop may have been quicker
                signum, _ = self._arrived.popitem(last=False)
                if self._instance is not None:
                    self.send(self._instance, signum)

    def send(self, instance: Instance, signum: SignalNumber) -> None:
        """Send a signal to the leader, or to its group if it is to have all signals."""
        (instance.send_to_group if self._forward == "group" else instance.send)(signum)
