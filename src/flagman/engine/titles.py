"""How an action is called in messages: the name that was typed and its arguments, without those that are secret."""

from __future__ import annotations

from types import FunctionType

from flagman.text.shown import printable, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flagman.engine.action import Action
    from flagman.types import ActionArgument, ActionName

#: What stands for a secret.
HIDDEN = "***"
# Characters: a shorter secret cannot be told from a part of other words.
_SHORTEST = 4
# Beside letters and digits, what a shell takes as it is.
_PLAIN = frozenset("%+,-./:=@_")


def title(name: ActionName, arguments: Iterable[ActionArgument]) -> str:
    """Return an action as it would be typed in a shell, in one line and shortened if it is very long.

    :param arguments: those that may be shown, see :func:`open_arguments`
    """
    return shown(name, *map(_quoted, arguments))


def _quoted(word: str) -> str:
    # As shlex.quote() does, but its import takes 2 ms.
    if word == HIDDEN or (word and all(c.isalnum() or c in _PLAIN for c in word)):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"


def open_arguments(action: type[Action], arguments: Sequence[ActionArgument]) -> tuple[ActionArgument, ...]:
    """Return the arguments of an action with ``***`` in the place of those that are secret."""
    if not action.secret_arguments:
        return tuple(arguments)
    names, rest = _parameters(action)
    names += [rest] * (len(arguments) - len(names))
    # One that is too many may be a secret, too.
    return tuple(
        HIDDEN if not name or name in action.secret_arguments else argument
        for argument, name in zip(arguments, names, strict=False)
    )


def secrets(action: type[Action], arguments: Sequence[ActionArgument]) -> tuple[ActionArgument, ...]:
    """Return the secret ones of the arguments of an action that are long enough to be found, the longest first."""
    pairs = zip(arguments, open_arguments(action, arguments), strict=True)
    hidden = {given for given, visible in pairs if visible != given and len(given) >= _SHORTEST}
    return tuple(sorted(hidden, key=len, reverse=True))


def conceal(text: str, hidden: Iterable[ActionArgument]) -> str:
    """Return a text with ``***`` in the place of each secret, also where it is quoted or written in one line."""
    for secret in hidden:
        for form in {secret, " ".join(secret.split()), repr(secret)[1:-1], printable(secret)}:
            if len(form) >= _SHORTEST:
                text = text.replace(form, HIDDEN)
    return text


def _parameters(action: type[Action]) -> tuple[list[str], str]:
    """Return the names of the parameters of ``set_up``, and that of the one that takes any number of arguments."""
    set_up = action.set_up
    if isinstance(set_up, FunctionType) and not hasattr(set_up, "__wrapped__"):
        code = set_up.__code__
        names = list(code.co_varnames[1 : code.co_argcount])
        takes_more = code.co_flags & 0x04  # inspect.CO_VARARGS
        return names, code.co_varnames[code.co_argcount + code.co_kwonlyargcount] if takes_more else ""
    from inspect import Parameter, signature  # noqa: PLC0415 - 10 ms, for what is no plain function

    parameters = [p for p in list(signature(set_up).parameters.values())[1:] if p.kind is not Parameter.KEYWORD_ONLY]
    rest = "".join(p.name for p in parameters if p.kind is Parameter.VAR_POSITIONAL)
    named = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in named], rest
