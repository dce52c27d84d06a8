"""The arguments of an action: how many it takes, how they are shown to people, and whether given ones are valid.

Counting happens at every start, so it reads the code object; :mod:`inspect` (10 ms) is imported only for what that
cannot answer: a ``set_up`` that is not a plain function, and the text for people.
"""

from __future__ import annotations

import sys
from types import FunctionType

from flagman.engine.action import Action
from flagman.engine.titles import conceal, open_arguments, secrets
from flagman.exceptions import PluginError, UsageError, reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from inspect import Parameter, Signature

_CO_VARARGS = 0x04  # inspect.CO_VARARGS


def arity(action: type[Action]) -> tuple[int, int | None]:
    """Return the smallest and the largest number of arguments; the latter is None if there is no limit."""
    set_up = action.set_up
    if set_up is Action.set_up:
        return 0, 0  # Action's own accepts everything only so that a subclass may narrow it
    if not isinstance(set_up, FunctionType) or hasattr(set_up, "__wrapped__"):
        return _inspected_arity(action)
    code = set_up.__code__
    largest = code.co_argcount - 1  # without self
    smallest = largest - len(set_up.__defaults__ or ())
    return max(smallest, 0), None if code.co_flags & _CO_VARARGS else largest


def describe(action: type[Action]) -> str:
    """Return the arguments as people read them, such as ``(message: str, delay: str)``; empty if there are none."""
    return f"({', '.join(map(_show, _parameters(action)))})" if arity(action) != (0, 0) else ""


def placeholders(action: type[Action]) -> list[str]:
    """Return words that stand for the arguments that an action needs, such as ``MESSAGE``."""
    return [parameter.name.upper() for parameter in _parameters(action)[: arity(action)[0]]]


def check(what: str, action: type[Action], arguments: Sequence[str]) -> None:
    """Check the arguments of an action without setting it up.

    :param what: the name of the binding in messages
    :raises UsageError: if they are too many, too few, or not what the action takes
    :raises PluginError: if the action's own check fails
    """
    _check_count(what, action, arguments)
    try:
        action.check_arguments(*arguments)
    except (ValueError, UsageError) as error:
        raise _without_secrets(UsageError, what, error, action, arguments) from error
    except (Exception, SystemExit) as error:
        what = f"{what}: checking its arguments failed"
        raise _without_secrets(PluginError, what, error, action, arguments) from error


def _without_secrets(
    kind: type[UsageError], what: str, error: BaseException, action: type[Action], arguments: Sequence[str]
) -> UsageError:
    hidden = secrets(action, arguments)
    refusal = kind(f"{what}: {conceal(reason_of(error), hidden)}")
    refusal.hidden = hidden
    return refusal


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
    hint = action.usage_hint and f"; {action.usage_hint}"
    raise UsageError(f"{what}: takes {takes} argument{plural}{shown}, got {_given(action, arguments)}{hint}")


def _given(action: type[Action], arguments: Sequence[str]) -> str:
    arguments = open_arguments(action, arguments)
    return f"{len(arguments)}: {' '.join(map(repr, arguments))}" if arguments else "none"


def _inspected_arity(action: type[Action]) -> tuple[int, int | None]:
    from inspect import Parameter  # noqa: PLC0415 - see the module's docstring

    named = []
    unlimited = False
    for parameter in _parameters(action):
        if parameter.kind is Parameter.VAR_POSITIONAL:
            unlimited = True
        else:
            named.append(parameter)
    return sum(p.default is Parameter.empty for p in named), None if unlimited else len(named)


def _parameters(action: type[Action]) -> list[Parameter]:
    """Return the parameters that arguments from a command line can reach: the positional ones, without self."""
    from inspect import Parameter  # noqa: PLC0415 - see the module's docstring

    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL)
    return [p for p in _signature(action).parameters.values() if p.kind in positional][1:]


def _signature(action: type[Action]) -> Signature:
    """Return the signature without evaluating annotations: their names may be imported only for type checkers."""
    from inspect import signature  # noqa: PLC0415 - see the module's docstring

    if sys.version_info >= (3, 14):
        from annotationlib import Format  # noqa: PLC0415 - inspect imports it

        return signature(action.set_up, annotation_format=Format.STRING)
    return signature(action.set_up)  # annotations have been evaluated when the function was made


def _show(parameter: Parameter) -> str:
    annotation = parameter.annotation
    shown = "*" * (parameter.kind is parameter.VAR_POSITIONAL) + parameter.name
    if annotation is not parameter.empty:
        shown += f": {annotation if isinstance(annotation, str) else getattr(annotation, '__name__', annotation)}"
    if parameter.default is not parameter.empty:
        shown += f" = {parameter.default!r}"
    return shown
