"""The arguments of an action: whether they are as many as it takes, and what it takes."""

from __future__ import annotations

from flagman.actions.arity import arity, describe
from flagman.exceptions import PluginError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagman.engine.action import Action


def check(what: str, action: type[Action], arguments: Sequence[str]) -> None:
    """Look at the arguments of an action without setting it up.

    :param what: how to name the binding in a message
    :raises UsageError: if they are too many, too few, or not what the action takes
    :raises PluginError: if the action cannot even tell
    """
    _check_count(what, action, arguments)
    try:
        action.check_arguments(*arguments)
    except (ValueError, UsageError) as error:
        raise UsageError(f"{what}: {error}") from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"{what}: checking its arguments failed: {type(error).__name__}: {error}") from error


def _check_count(what: str, action: type[Action], arguments: Sequence[str]) -> None:
    smallest, largest = arity(action)
    if smallest <= len(arguments) and (largest is None or len(arguments) <= largest):
        return
    if largest is None:
        takes = f"at least {smallest}"
    elif smallest == largest:
        takes = f"{smallest or 'no'}"
    else:
        takes = f"{smallest} to {largest}"
    plural = "" if takes in ("1", "at least 1") else "s"
    shown = f" {describe(action)}" if largest != 0 else ""
    raise UsageError(f"{what}: takes {takes} argument{plural}{shown}, got {_show(arguments)}")


def _show(arguments: Sequence[str]) -> str:
    return f"{len(arguments)}: {' '.join(map(repr, arguments))}" if arguments else "none"
