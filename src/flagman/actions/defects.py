"""What is wrong with a class of actions, as far as that can be told before there is an instance."""

from __future__ import annotations

from types import FunctionType

from flagman.actions.action import Action

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CALLED = ("run", "set_up", "tear_down", "check_arguments")
# The flags of code that does nothing when it is called, see the module inspect.
_KINDS = {0x80: "a coroutine", 0x100: "a coroutine", 0x20: "a generator", 0x200: "an asynchronous generator"}


def defect_of(action: type[Action]) -> str:
    """Say why an action could not work; empty if nothing is wrong with it."""
    return next(_defects(action), "")


def _defects(action: type[Action]) -> Iterator[str]:
    missing = ", ".join(f"{name}()" for name in sorted(getattr(action, "__abstractmethods__", ())))
    if missing:
        yield f"it does not define {missing}"
    for name in _CALLED:
        function = getattr(action, name)
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        for flag, kind in _KINDS.items():
            if code is not None and code.co_flags & flag:
                yield f"{name}() is {kind}, so calling it does nothing; define it without async and yield"
        if function in (getattr(Action, name), _plain(getattr(Action, name))):
            for other in _misspelt(action, name):
                yield f"nothing calls {other}(); the method is called {name}()"


def _plain(function: object) -> object:
    return getattr(function, "__func__", function)


def _misspelt(action: type[Action], name: str) -> Iterator[str]:
    """Find methods of which the name is almost this one, and which the class itself does not call."""
    methods = [
        (own, function)
        for base in action.__mro__
        if base is not Action and issubclass(base, Action)
        for own, function in ((own, _plain(value)) for own, value in vars(base).items())
        if isinstance(function, FunctionType)
    ]
    for own, _ in methods:
        is_similar = own != name and own.replace("_", "").lower() == name.replace("_", "") and not own.startswith("_")
        if is_similar and not any(own in code.__code__.co_names for other, code in methods if other != own):
            yield own
