"""Counting and showing the arguments of an action."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

import pytest

from flagman.actions import Action, DelayedPrintAction
from flagman.actions.arguments import arity, describe

if TYPE_CHECKING:
    from collections.abc import Callable


class Base(Action):
    """An action with a set_up that does not matter."""

    def run(self) -> None:
        """Do nothing."""


class NoSetUp(Base):
    """Takes no argument."""


class Optional(Base):
    """Takes one argument or two."""

    def set_up(self, first: str, second: str = "x") -> None:
        """Do nothing."""


class Many(Base):
    """Takes one argument or more."""

    def set_up(self, program: str, *arguments: str, check: bool = True) -> None:
        """Do nothing."""


class Untyped(Base):
    """An action with a set_up that has no annotations."""

    def set_up(self, a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """Do nothing."""


def decorate(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap a function as a well-behaved decorator does."""

    @functools.wraps(function)
    def wrapper(*args: object) -> None:
        function(*args)

    return wrapper


class Decorated(Base):
    """An action that hides its arguments behind a decorator."""

    @decorate
    def set_up(self, first: str, second: int = 2) -> None:
        """Do nothing."""


class DecoratedMany(Base):
    """Hides behind a decorator that it takes any number of arguments."""

    @decorate
    def set_up(self, *words: str) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("action", "counts", "text"),
    [
        (NoSetUp, (0, 0), ""),
        (DelayedPrintAction, (2, 2), "(message: str, delay: str)"),
        (Optional, (1, 2), "(first: str, second: str = 'x')"),
        (Many, (1, None), "(program: str, *arguments: str)"),
        (Untyped, (2, 2), "(a, b)"),
        (Decorated, (1, 2), "(first: str, second: int = 2)"),
        (DecoratedMany, (0, None), "(*words: str)"),
    ],
)
def test_arguments(action: type[Action], counts: tuple[int, int | None], text: str) -> None:
    """The number of arguments that an action takes agrees with the text that shows them."""
    assert arity(action) == counts
    assert describe(action) == text


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations were evaluated when a function was made")
@pytest.mark.parametrize("decorator", ["", "@decorate"])
def test_annotations_for_type_checkers_alone(decorator: str) -> None:
    """Annotations that only type checkers can resolve are shown as they are written, and never evaluated."""
    program = f"""
class Deferred(Base):
    {decorator}
    def set_up(self, path: Path, mode: Mode[int] | None = None, *more: str) -> None:
        pass
"""
    namespace: dict[str, type[Action]] = {}
    exec(compile(program, "deferred", "exec", dont_inherit=True), dict(globals()), namespace)
    action = namespace["Deferred"]
    assert arity(action) == (1, None)
    assert describe(action) == "(path: Path, mode: Mode[int] | None = None, *more: str)"
