"""The order of processes: circles, and the longest row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.supervise.processes.order import cycles, longest_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAMES = st.sampled_from("abcdefg")
GRAPHS = st.dictionaries(NAMES, st.lists(NAMES, max_size=4), max_size=7)


def has_circle(after: Mapping[str, Sequence[str]]) -> bool:
    """Return whether there is a circle, in another way: take away what waits for nothing, as long as there is some."""
    left = {name: {each for each in listed if each in after} for name, listed in after.items()}
    while free := {name for name, listed in left.items() if not listed}:
        left = {name: listed - free for name, listed in left.items() if name not in free}
    return bool(left)


@given(GRAPHS)
def test_circles(after: dict[str, list[str]]) -> None:
    """A circle is found if and only if there is one, it is one, and without the last edge of each there is none."""
    found = cycles(after)
    assert bool(found) is has_circle(after)
    for circle in found:
        assert len(set(circle)) == len(circle)
        for name, following in zip(circle, [*circle[1:], circle[0]], strict=True):
            assert following in after[name]
    last = {(circle[-1], circle[0]) for circle in found}
    assert not has_circle({name: [each for each in after[name] if (name, each) not in last] for name in after})


def test_a_circle_is_told_once() -> None:
    """A circle is found from one of its names only, and its names stand in the order in which they wait."""
    assert cycles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == [["a", "b", "c"]]
    assert cycles({"a": ["a"]}) == [["a"]]


def test_a_long_row() -> None:
    """A row of processes is not limited by Python's stack."""
    after = {f"{number}": [f"{number + 1}"] for number in range(5000)}
    assert cycles(after) == []
    assert cycles({**after, "5000": ["0"]}) == [[str(number) for number in range(5001)]]
    assert longest_time(after, dict.fromkeys(after, 1.0)) == 5000


def longest(after: Mapping[str, Sequence[str]], times: Mapping[str, float], name: str) -> float:
    """Return the longest time of a row that begins with a name."""
    return times[name] + max((longest(after, times, each) for each in after[name] if each in after), default=0.0)


@given(GRAPHS, st.fixed_dictionaries({name: st.integers(0, 100) for name in "abcdefg"}))
def test_the_longest_time(after: dict[str, list[str]], times: dict[str, int]) -> None:
    """It is the largest sum along any row."""
    rows = {name: [each for each in listed if each > name] for name, listed in after.items()}
    expected = max((longest(rows, times, name) for name in rows), default=0.0)
    assert longest_time(rows, times) == pytest.approx(expected)
