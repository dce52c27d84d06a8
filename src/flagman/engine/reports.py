"""What the log says about the runs of actions: one record for every run."""

from __future__ import annotations

import logging

from flagman.engine import titles
from flagman.engine.flags import in_log
from flagman.engine.turn import Result
from flagman.exceptions import (
    ActionClosed,
    ActionFailed,
    ActionInterrupted,
    ActionRestarted,
    ActionTimedOut,
    FlagmanError,
    SetUpError,
    SkipRest,
    reason_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagman.engine.action import Action
    from flagman.engine.bundle import Member
    from flagman.engine.turn import Ending, Turn
    from flagman.types import ActionArgument, ActionName

# The engine logs as flagman.core, the name that is documented.
logger = logging.getLogger("flagman.core")


def note(member: Member, turn: Turn, error: BaseException | None, seconds: float) -> Ending:
    """Log how a run went, and note it in the turn.

    :param error: what the run has raised
    :param seconds: how long it took
    """
    ending, reason = _ended(error, turn.remark)
    result = Result(member.title, ending, seconds, titles.conceal(reason, member.secrets))
    turn.results.append(result)
    text = f"{in_log(turn.trigger)}: {result}"
    if ending == "failed" and error is not None:
        log_failure(text, member, error)
    elif ending == "interrupted":
        logger.log(logging.INFO if isinstance(error, ActionRestarted) else logging.WARNING, "%s", text)
    elif not member.action._logs_itself:  # noqa: SLF001 - the engine's side of Action
        logger.info("%s", text)
    return ending


def _ended(error: BaseException | None, remark: str) -> tuple[Ending, str]:
    """Return how a run has ended that has raised an exception, or none, and why."""
    if error is None:
        return "succeeded", remark
    if isinstance(error, SkipRest):
        return "succeeded", f"the actions after it are left out{str(error) and f': {error}'}"
    if isinstance(error, ActionClosed):
        return "closed", str(error)
    if isinstance(error, ActionInterrupted) and not isinstance(error, ActionTimedOut):
        return "interrupted", str(error)
    return "failed", reason_of(error)


def log_failure(text: str, member: Member, error: BaseException) -> None:
    """Log a failure: a defect with its traceback; one that explains itself without, unless DEBUG is logged."""
    level = logging.ERROR
    is_ours = type(member.action).__module__.startswith("flagman.")
    if isinstance(error, ActionFailed | ActionTimedOut) or (isinstance(error, OSError) and is_ours):
        logger.error("%s", text)
        level, text = logging.DEBUG, "Where it failed:"
    _log_traceback(level, text, error, member.secrets)


def set_up_failed(
    name: ActionName, action: type[Action], arguments: tuple[ActionArgument, ...], reason: str
) -> SetUpError:
    """Return the error for an action that could not be set up."""
    what = titles.title(name, titles.open_arguments(action, arguments))
    hidden = titles.secrets(action, arguments)
    error = SetUpError(f"setting up `{what}` failed: {titles.conceal(reason, hidden)}")
    error.hidden = hidden
    return error


def log_cause(error: BaseException) -> None:
    """Log the traceback of an error: always if an action's ``set_up`` has a defect, else only for DEBUG."""
    cause, level, text = error.__cause__ or error, logging.DEBUG, "Where it failed:"
    hidden: tuple[ActionArgument, ...] = ()
    if isinstance(error, SetUpError):
        hidden = error.hidden
        explains = isinstance(cause, OSError | ValueError | FlagmanError | ActionFailed | ActionInterrupted)
        level, text = (level, text) if explains else (logging.ERROR, str(error))
    _log_traceback(level, text, cause, hidden)


def _log_traceback(level: int, text: str, error: BaseException, hidden: Iterable[ActionArgument]) -> None:
    if not hidden:
        logger.log(level, "%s", text, exc_info=error)
    elif logger.isEnabledFor(level):
        from traceback import format_exception  # noqa: PLC0415 - only if there is a secret

        logger.log(level, "%s\n%s", text, titles.conceal("".join(format_exception(error)), hidden).rstrip())
