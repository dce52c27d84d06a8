"""Defects of a class of actions that can be found before there is an instance.

A plugin that works must never be refused, so this looks only for what cannot work.
"""

from __future__ import annotations

import sys
from types import FunctionType

from flagman.engine.action import Action

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CALLED = ("run", "set_up", "tear_down", "check_arguments")
# The flags of code objects that do nothing when they are called, see the module inspect: what to call each, and what
# to leave out.
_KINDS = {
    0x80: ("async", "async"),
    0x100: ("a coroutine", "its decorator"),
    0x20: ("a generator", "yield"),
    0x200: ("an asynchronous generator", "async and yield"),
}


def defect_of(action: object) -> str:
    """Return why something cannot work as an action; empty if no defect is known."""
    if not (isinstance(action, type) and issubclass(action, Action)):
        return f"{action!r} is not a subclass of flagman.Action"
    return next(_defects(action), "")


def _defects(action: type[Action]) -> Iterator[str]:
    for name in _CALLED:
        if name == "run" and _found(action, "_run") is not _found(Action, "_run"):
            continue  # its own _run() may use run() in another way
        code = getattr(_plain(_found(action, name)), "__code__", None)
        for flag, (kind, cure) in _KINDS.items():
            if code is not None and code.co_flags & flag:
                yield f"{name}() is {kind}, so calling it does nothing; define it without {cure}"
    yield from (f"{name}() takes no argument; write def {name}(self)" for name in _CALLED if _lacks_self(action, name))
    missing = ", ".join(f"{name}()" for name in sorted(getattr(action, "__abstractmethods__", ())))
    if missing:
        yield f"it does not define {missing}"
    timeout = _found(action, "default_timeout")
    if isinstance(timeout, str | float | int):
        from flagman.text.spans import LONGEST, is_span  # noqa: PLC0415 - most actions have no timeout

        if not is_span(timeout):
            yield f"its default_timeout is {timeout!r}, and not a number of seconds from 0 to {LONGEST:.0f}"
    for name in _CALLED:
        if name != "run" and _found(action, name) is _found(Action, name):
            yield from (f"nothing calls {other}(); the method is called {name}()" for other in _misspelt(action, name))


def _lacks_self(action: type[Action], name: str) -> bool:
    code = getattr(_found(action, name), "__code__", None)  # none of a class method or a static method
    return code is not None and not code.co_argcount and not code.co_flags & 0x04  # inspect.CO_VARARGS


def _found(action: type, name: str) -> object:
    """Return what a class has under a name, or None, without running the code of a descriptor."""
    return next((vars(base)[name] for base in action.__mro__ if name in vars(base)), None)


def _plain(found: object) -> object:
    """Return the function of a class method or a static method, and anything else as it is."""
    return getattr(found, "__func__", found)


def _misspelt(action: type[Action], name: str) -> Iterator[str]:
    """Yield names of methods that are almost this name, if nothing can be found that calls them."""
    bases = [base for base in action.__mro__ if issubclass(base, Action) and base is not Action]
    if any(not issubclass(base, Action) and base.__module__ not in _HARMLESS for base in action.__mro__):
        return  # code of a foreign base may call anything
    for base in bases:
        for own, found in vars(base).items():
            is_similar = own.replace("_", "").lower() == name.replace("_", "") and not own.startswith("_")
            if is_similar and isinstance(_plain(found), FunctionType) and not _is_mentioned(own, bases):
                yield own


# The modules of the bases that every action has.
_HARMLESS = frozenset(("builtins", "abc", "typing"))


def _is_mentioned(name: str, bases: list[type[Action]]) -> bool:
    """Return whether a name occurs in the modules of these classes other than in the definition of such a method.

    A method with decorators counts as mentioned, and so does any name if there is no source to look at.
    """
    import ast  # noqa: PLC0415 - only for a name that looks misspelt
    import inspect  # noqa: PLC0415

    for module in {base.__module__ for base in bases}:
        try:
            tree = ast.parse(inspect.getsource(sys.modules[module]))
        except (OSError, TypeError, KeyError, SyntaxError, ValueError):
            return True
        nodes: list[ast.AST] = [tree]
        while nodes:
            node = nodes.pop()
            if isinstance(node, ast.FunctionDef) and node.name == name:
                if node.decorator_list and not _are_plain(node.decorator_list):
                    return True
                continue
            if name in (getattr(node, field, None) for field in ("attr", "id", "value", "arg", "name", "asname")):
                return True
            nodes.extend(ast.iter_child_nodes(node))
    return False


def _are_plain(decorators: Iterable[object]) -> bool:
    return all(getattr(decorator, "id", "") in ("classmethod", "staticmethod") for decorator in decorators)
