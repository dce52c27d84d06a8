"""What can go wrong, and with which exit status.

::

    Exception
    ├── ActionClosed          news, not a failure: an action has nothing left to do
    ├── SkipRest              news, not a failure: the actions after this one are left out of this turn
    ├── ActionFailed          a failed run that explains itself
    └── FlagmanError          status 1
        ├── SetUpError        status 1: an action's set_up failed
        ├── TearDownError     status 1: an action's tear_down failed
        ├── NotifyError       the service manager could not be told (only with debug=True)
        ├── DaemonError       status 1: a step on the way into the background failed
        └── UsageError        status 2: the user asked for something that cannot be
            ├── ConfigError         ... in a configuration file
            ├── PluginError         an action exists but cannot be loaded
            └── UnknownActionError  also a KeyError, because KNOWN_ACTIONS is a mapping
    BaseException
    └── ActionInterrupted     raised inside an action that has to end now
        ├── ActionTimedOut    ... because its run went on for longer than its timeout
        └── ActionRestarted   ... because its bundle is to run anew
"""

from __future__ import annotations

# The most characters of a message: a longer quotation in it would not be read.
_LONGEST = 1000


def shortened(text: str, most: int) -> str:
    """Return a text without its middle, if it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - len('...')]}...{text[-end:]}"


def one_line(message: object) -> str:
    """Return a message, or that of an exception, as one line, shortened if it is very long."""
    return shortened(" ".join(str(message).split()), _LONGEST)


def text_of(error: BaseException) -> str:
    """Return the text of an exception, also of one that cannot tell it."""
    try:
        return str(error)
    except (Exception, SystemExit):  # noqa: BLE001 - it is a mistake in the code of a plugin
        return "its text cannot be shown"


def reason_of(error: BaseException) -> str:
    """Return the reason that an exception gives, with the name of its type unless its text is made for people.

    It may have several lines, and any characters.
    """
    text = text_of(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.strerror}: {error.filename!r}"
    if isinstance(error, FlagmanError | ActionFailed | ActionInterrupted | ValueError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def mistakes_of(error: BaseException) -> list[str]:
    """Return the lines that report an error: one, or one for each mistake in a configuration file."""
    return error.mistakes if isinstance(error, ConfigError) else [str(error)]


class FlagmanError(Exception):
    """Anything that flagman reports in one line instead of a traceback."""

    #: Arguments of an action that no message may show.
    hidden: tuple[str, ...] = ()
    #: The exit status of the command when this error ends it.
    exit_code = 1

    def __str__(self) -> str:
        return " ".join(str(argument) for argument in self.args)


class UsageError(FlagmanError):
    """The user's mistake: the message names the place, what is wrong, and what would be right."""

    exit_code = 2


class ConfigError(UsageError):
    """The mistakes in a configuration file.

    :param mistakes: one line for each
    """

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        #: One line for each, which names the file, the table and the key.
        self.mistakes = mistakes


class UnknownActionError(UsageError, KeyError):
    """No action has this name."""


class PluginError(UsageError):
    """An action was found but cannot be used; the message names the distribution that offers it."""


class SetUpError(FlagmanError):
    """The ``set_up`` of an action raised; the original exception is the cause."""


class TearDownError(FlagmanError):
    """The ``tear_down`` of at least one action raised; each of them has been logged."""


class NotifyError(FlagmanError):
    """A message could not be handed to the service manager."""


class DaemonError(FlagmanError):
    """A process could not become the daemon that it was meant to become; the message names the step."""


class ActionClosed(Exception):  # noqa: N818 - the documented name; it is news, not an error
    """Raised by an action that wants no further runs, and by every run of a closed action."""


class SkipRest(Exception):  # noqa: N818 - as above
    """Raised by the run of an action that ends the turn of its bundle: the actions after it are left out, this time."""


class ActionFailed(Exception):  # noqa: N818 - it stands beside ActionClosed
    """Raised by a run that failed for a reason that the message gives: it is logged without a traceback."""


class ActionInterrupted(BaseException):
    """Raised inside a running action when it must end now.

    It derives from :class:`BaseException` so that an action's ``except Exception`` does not swallow it.
    """

    #: What belongs to the code that was meant; see ``flagman.engine.window``.
    window: object = None


class ActionRestarted(ActionInterrupted):
    """Raised inside a run that is to begin anew; the run has neither succeeded nor failed."""


class ActionTimedOut(ActionInterrupted):
    """Raised inside a run that has used up its timeout; the run counts as failed."""
