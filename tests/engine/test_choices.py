"""Choices: what is refused, and when two are the same."""

from __future__ import annotations

from typing import Any

import pytest

from flagman.engine.choices import Choices


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"directory": ""}, "directory: '' is neither None nor a path"),
        ({"directory": "a\0b"}, r"directory: 'a\\x00b' is neither"),
        ({"directory": 1}, "directory: 1 is neither"),
        ({"umask": -1}, "umask: -1 is neither None nor a number from 0 to 0o777"),
        ({"umask": 0o1000}, "umask: 512 is neither"),
        ({"umask": "027"}, "umask: '027' is neither"),
        ({"umask": True}, "umask: True is neither"),
        ({"environment": {"": "x"}}, "environment: '' is not the name of a variable"),
        ({"environment": {"A=B": "x"}}, "environment: 'A=B' is not the name"),
        ({"environment": {"A\0": "x"}}, "is not the name"),
        ({"environment": {1: "x"}}, "environment: 1 is not the name"),
        ({"environment": {"A": 1}}, "environment: the value of 'A' is not a string"),
        ({"environment": {"A": "\0"}}, "environment: the value of 'A' contains a NUL character"),
        ({"environment": {"FLAGMAN_FILE": "x"}}, "'FLAGMAN_FILE' cannot be set: flagman sets the variables"),
    ],
)
def test_what_commands_cannot_be_given(choices: dict[str, Any], message: str) -> None:
    """A wrong choice is refused when it is made."""
    with pytest.raises(ValueError, match=message):
        Choices(**choices)


def test_equal_choices() -> None:
    """Choices are equal, and have the same hash, if all of them are; the environment in any order."""
    one = Choices(directory="/", umask=0o022, environment={"A": "1", "B": "2"})
    other = Choices(directory="/", umask=0o022, environment={"B": "2", "A": "1"})
    assert one == other
    assert hash(one) == hash(other)
    for different in (Choices(), Choices(umask=0o022), Choices(directory="/", umask=0o022, environment={"A": "1"})):
        assert one != different
        assert hash(one) != hash(different)


def test_the_environment_is_a_copy() -> None:
    """Choices never change, even if the dictionary does that they were made of."""
    variables = {"A": "1"}
    choices = Choices(environment=variables)
    variables["A"] = "2"
    assert choices == Choices(environment={"A": "1"})
    with pytest.raises(TypeError, match="does not support item assignment"):
        choices.environment["A"] = "2"  # type: ignore[index]
