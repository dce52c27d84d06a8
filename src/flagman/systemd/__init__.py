"""Talking to the service manager: notifications, and the units that it reads. A process may have no manager.

The stand-in for a missing manager is here: in a module of its own it would be one more file to read at every start.

May import: config, daemon, actions, web, triggers, children, engine, text, exceptions, types, version.
"""

from __future__ import annotations

from types import MappingProxyType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Manager:
    """Takes messages for the service manager; this one stands for a manager that is not there, and drops them."""

    #: Seconds after which the manager believes that this process hangs, unless it has said ``WATCHDOG=1`` since;
    #: None if the manager does not watch.
    watchdog: float | None = None
    #: The sockets that the manager has opened for this process: the name of each, by its descriptor.
    sockets: Mapping[int, str] = MappingProxyType({})

    @property
    def is_open(self) -> bool:
        """Whether there is a manager to talk to."""
        return False

    def follow(
        self, wait: Callable[[int, float], bool], call_later: Callable[[float, Callable[[], None]], object] | None
    ) -> None:
        """Send messages in the way of a run.

        :param wait: waits until a descriptor takes more, but no longer than this number of seconds
        :param call_later: calls a function after this number of seconds, to send a message again that was not taken;
            None if there is no loop that does that
        """

    def notify(self, state: str) -> None:
        """Send a message.

        :param state: one or more lines such as ``READY=1``
        """

    def status(self, text: str) -> str:  # noqa: ARG002 - nothing is sent here
        """Return the line of a message that shows people the state; it is one line, even if the text has several."""
        return ""

    def close(self) -> None:
        """Send what has not been taken once more; every later message is dropped."""
