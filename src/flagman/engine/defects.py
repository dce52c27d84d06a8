"""What is wrong with a class of actions, as far as that can be told before there is an instance.

A plugin that works must never be refused, so this looks for nothing but what cannot work.
"""

from __future__ import annotations

import sys
from types import FunctionType

from flagman.engine.action import Action

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CALLED = ("run", "set_up", "tear_down", "check_arguments")
# The flags of code that does nothing when it is called, see the module inspect.
_KINDS = {
    0x80: ("async", "async"),
    0x100: ("a coroutine", "its decorator"),
    0x20: ("a generator", "yield"),
    0x200: ("an asynchronous generator", "async and yield"),
}


def defect_of(action: object) -> str:
    """Say why something could not work as an action; empty if nothing is known to be wrong with it."""
    if not (isinstance(action, type) and issubclass(action, Action)):
        return f"{action!r} is not a subclass of flagman.Action"
    return next(_defects(action), "")


def _defects(action: type[Action]) -> Iterator[str]:
    for name in _CALLED:
        if name == "run" and _found(action, "_run") is not _found(Action, "_run"):
            continue  # it may do something else with it
        code = getattr(_plain(_found(action, name)), "__code__", None)
        for flag, (kind, cure) in _KINDS.items():
            if code is not None and code.co_flags & flag:
                yield f"{name}() is {kind}, so calling it does nothing; define it without {cure}"
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


def _found(action: type, name: str) -> object:
    """Find what a class has under a name, without running the code of a descriptor."""
    return next((vars(base)[name] for base in action.__mro__ if name in vars(base)), None)


def _plain(found: object) -> object:
    """Give the function of a class method or a static one."""
    return getattr(found, "__func__", found)


def _misspelt(action: type[Action], name: str) -> Iterator[str]:
    """Find methods that have almost this name, where nothing can be found that would call them."""
    bases = [base for base in action.__mro__ if issubclass(base, Action) and base is not Action]
    if any(not issubclass(base, Action) and base.__module__ not in _HARMLESS for base in action.__mro__):
        return  # somebody else's code may call anything
    for base in bases:
        for own, found in vars(base).items():
            is_similar = own.replace("_", "").lower() == name.replace("_", "") and not own.startswith("_")
            if is_similar and isinstance(_plain(found), FunctionType) and not _is_mentioned(own, bases):
                yield own


# Where the bases come from that every action has.
_HARMLESS = frozenset(("builtins", "abc", "typing"))


def _is_mentioned(name: str, bases: list[type[Action]]) -> bool:
    """Tell whether a name occurs anywhere in the modules of these classes but in the definition of such a method.

    If it has decorators, or if there is no source to look at, it counts as mentioned.
    """
    import ast  # noqa: PLC0415 - for a suspicion alone, as all here
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
