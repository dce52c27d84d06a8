"""Talking to the service manager: notifications, and the units that it reads. A process may have none.

What stands for a manager that is not there is here, and not in a module of its own, which every start would have to
read.

May import: config, daemon, actions, web, triggers, children, engine, text, exceptions, types, version.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Manager:
    """Takes messages for the service manager; this one stands for a manager that is not there, and drops them."""

    #: Seconds after which the manager believes that this process hangs, unless it has said ``WATCHDOG=1`` since;
    #: None if the manager does not watch.
    watchdog: float | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether there is a manager to talk to."""
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

    def status(self, text: str) -> str:  # noqa: ARG002 - nobody reads it here
        """Give the line of a message that tells people how things are; whatever the text quotes, it is one line."""
        return ""

    def close(self) -> None:
        """Send what has not been taken once more; every later message is dropped."""
