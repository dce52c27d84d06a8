"""What can go wrong between ``flagmanctl`` and a daemon, with the exit status of each."""

from __future__ import annotations

from flagman.ctl.fields import Fields
from flagman.exceptions import FlagmanError

#: The exit statuses, beside 0 and those of flagman's own errors.
BAD = 1
NO_DAEMON = 3
UNKNOWN = 4
NO_SUCH_NAME = 5
NOT_IN_TIME = 124


class CtlError(FlagmanError):
    """What was asked for has not been done.

    :param message: why, in one line
    :param exit_code: the exit status
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class NoAnswerError(CtlError):
    """The daemon has closed the connection, which may be because it has ended."""


class RefusedError(CtlError):
    """The daemon has answered with an error.

    :param messages: what is wrong, in one line each
    :param answer: its JSON
    """

    def __init__(self, messages: list[str], exit_code: int, answer: object) -> None:
        super().__init__("; ".join(messages), exit_code)
        self.messages = messages
        self.answer = answer

    @property
    def code(self) -> str:
        """What is wrong, in one word for programs; empty if it is not told."""
        return Fields(self.answer).inner("error").text("code")
