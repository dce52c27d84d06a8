"""Actions that print messages: to try flagman out, and to see what it does."""

from __future__ import annotations

import time

from flagman.engine import loggers
from flagman.engine.action import Action
from flagman.exceptions import ActionClosed

logger = loggers.get("flagman.actions.print")

# Seconds, about 31 years: time.sleep() overflows at nine times that.
_LONGEST_DELAY = 1e9


def _mention(stage: str) -> None:
    """Print the stage that an action has reached; if that fails, log it, because the action can still work."""
    try:
        print(stage)
    except OSError as error:
        logger.warning("Cannot print `%s`: %s", stage, error.strerror or error)


class PrintAction(Action):
    """A simple Action that prints messages at the various stages of execution."""

    example = "print 'a fun message'"

    def set_up(self, message: str) -> None:
        """Keep the message and print that the action is ready.

        :param message: what every run prints
        """
        self._message = message
        _mention("init")

    def run(self) -> None:
        """Print the message."""
        print(self._message)

    def tear_down(self) -> None:
        """Print that the action has ended."""
        _mention("cleanup")


class PrintOnceAction(PrintAction):
    """Prints a message the first time that it runs, then closes itself."""

    example = "print_once 'will be printed once'"

    def run(self) -> None:
        """Print the message and close.

        :raises ActionClosed: always
        """
        super().run()
        self._close()
        raise ActionClosed("Only print once")


class DelayedPrintAction(PrintAction):
    """Prints a message, sleeps for the given number of seconds, and prints that it has finished."""

    example = "delay_print working 2.5"

    def set_up(self, message: str, delay: str) -> None:  # type: ignore[override]
        """Keep the message and the delay, and print that the action is ready.

        :param message: what every run prints first
        :param delay: how long it then sleeps, in seconds
        :raises ValueError: if the delay is not a number of seconds that can be slept
        """
        self.check_arguments(message, delay)
        self._delay = float(delay)
        super().set_up(message)

    @classmethod
    def check_arguments(cls, message: str, delay: str) -> None:  # noqa: ARG003 - named as for set_up()
        """Refuse a delay that is not a number of seconds that can be slept."""
        try:
            seconds = float(delay)
        except ValueError:
            raise ValueError(f"the delay {delay!r} is not a number of seconds") from None
        if not 0 <= seconds <= _LONGEST_DELAY:
            raise ValueError(f"the delay {delay!r} is not between 0 and {_LONGEST_DELAY:.0f} seconds")

    def run(self) -> None:
        """Print the message, sleep, and print that this is over."""
        super().run()
        time.sleep(self._delay)
        print("finished delaying")
