"""What the log says about the runs of actions: one record for every run."""

from __future__ import annotations

from flagman.engine import loggers, titles
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
    one_line,
    reason_of,
    shortened,
    text_of,
)
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagman.engine.action import Action
    from flagman.engine.bundle import Member
    from flagman.engine.turn import Ending, Turn
    from flagman.types import ActionArgument, ActionName

# The engine logs as flagman.core, the name that is documented.
logger = loggers.get("flagman.core")

# Characters of a reason, and exceptions that led to one another.
_LONGEST = 10_000
_LONGEST_CHAIN = 100


def note(member: Member, turn: Turn, error: BaseException | None, began: float, seconds: float) -> Ending:
    """Log how a run went, and note it in the turn.

    :param error: what the run has raised
    :param began: when it began, on the engine's clock
    :param seconds: how long it took
    """
    ending, reason = _ended(error, turn.remark)
    reason = _indented(titles.conceal(reason, member.secrets))
    result = Result(member.title, ending, seconds, reason, began, isinstance(error, ActionTimedOut), member)
    turn.results.append(result)
    text = f"{in_log(turn.trigger)}: {result}"
    if ending == "failed" and error is not None:
        log_failure(text, member, error)
    elif ending == "interrupted":
        logger.log(loggers.INFO if isinstance(error, ActionRestarted) else loggers.WARNING, "%s", text)
    elif not member.action._logs_itself:  # noqa: SLF001 - the engine's side of Action
        logger.info("%s", text)
    return ending


def _ended(error: BaseException | None, remark: str) -> tuple[Ending, str]:
    """Return how a run has ended that has raised an exception, or none, and why."""
    if error is None:
        return "succeeded", remark
    if isinstance(error, SkipRest):
        text = text_of(error)
        return "succeeded", f"the actions after it are left out{text and f': {text}'}"
    if isinstance(error, ActionClosed):
        return "closed", text_of(error)
    if isinstance(error, ActionInterrupted) and not isinstance(error, ActionTimedOut):
        return "interrupted", text_of(error)
    return "failed", reason_of(error)


def what_ended(error: BaseException) -> BaseException:
    """Return the interruption that an exception stands for; if it stands for none, the exception itself.

    Code that is interrupted may raise something else instead: a group, as asyncio does, or an error of its own.
    """
    if isinstance(error, BaseExceptionGroup) and error.split(ActionInterrupted)[1] is None:
        leaf: BaseException = error
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        return leaf
    link: BaseException | None = error
    for _ in range(_LONGEST_CHAIN if not isinstance(error, ActionClosed | SkipRest) else 0):
        if link is None or isinstance(link, ActionRestarted):
            return link or error
        link = link.__cause__ or link.__context__
    return error


def _indented(text: str) -> str:
    """Return a text without control characters, and with its further lines indented: they are no records."""
    first, *others = shortened(text, _LONGEST).splitlines() or [""]
    return "\n".join([printable(first), *(f"  {printable(line.removeprefix('  '))}" for line in others)])


def log_failure(text: str, member: Member, error: BaseException) -> None:
    """Log a failure: a defect with its traceback; one that explains itself without, unless DEBUG is logged."""
    level = loggers.ERROR
    is_ours = type(member.action).__module__.startswith("flagman.")
    if isinstance(error, ActionFailed | ActionTimedOut) or (isinstance(error, OSError) and is_ours):
        logger.error("%s", text)
        level, text = loggers.DEBUG, "Where it failed:"
    log_traceback(level, text, error, member.secrets)


def set_up_failed(
    name: ActionName, action: type[Action], arguments: tuple[ActionArgument, ...], reason: str
) -> SetUpError:
    """Return the error for an action that could not be set up."""
    what = titles.title(name, titles.open_arguments(action, arguments))
    hidden = titles.secrets(action, arguments)
    error = SetUpError(f"setting up `{what}` failed: {one_line(titles.conceal(reason, hidden))}")
    error.hidden = hidden
    return error


def log_cause(error: BaseException) -> None:
    """Log the traceback of an error: always if an action's ``set_up`` has a defect, else only for DEBUG."""
    cause, level, text = error.__cause__ or error, loggers.DEBUG, "Where it failed:"
    hidden = error.hidden if isinstance(error, FlagmanError) else ()
    if isinstance(error, SetUpError):
        explains = isinstance(cause, OSError | ValueError | FlagmanError | ActionFailed | ActionInterrupted)
        level, text = (level, text) if explains else (loggers.ERROR, text_of(error))
    log_traceback(level, text, cause, hidden)


def log_traceback(level: int, text: str, error: BaseException, hidden: Iterable[ActionArgument]) -> None:
    """Log a text with the traceback of an exception, without secrets."""
    if not hidden:
        logger.log(level, "%s", text, exc_info=error)
    elif logger.isEnabledFor(level):
        from traceback import format_exception  # noqa: PLC0415 - only if there is a secret

        logger.log(level, "%s\n%s", text, titles.conceal("".join(format_exception(error)), hidden).rstrip())
