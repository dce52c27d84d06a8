"""The laws of the raised flags."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.engine.flags import Flags
from support.raised import taken

if TYPE_CHECKING:
    from flagman.engine.flags import Raises

RAISES = st.lists(st.sampled_from(["hup", "usr1", "usr2", "every-5m", "stop"]))


@given(RAISES)
def test_first_raise_keeps_its_place_and_repeats_are_counted(raises: list[str]) -> None:
    """Each raised flag comes out once, in the order of first raises, with the number of its raises."""
    flags = Flags()
    for flag in raises:
        flags.add(flag)
    assert len(flags) == len(set(raises))
    assert taken(flags) == list(Counter(raises).items())
    assert not flags


@given(RAISES, st.sampled_from(["hup", "usr1"]))
def test_discard_forgets_one_flag_and_tells_its_count(raises: list[str], discarded: str) -> None:
    """Discarding a flag returns its count and leaves all others in their order."""
    flags = Flags()
    for flag in raises:
        flags.add(flag)
    assert flags.discard(discarded) == raises.count(discarded)
    assert discarded not in flags
    assert flags.discard(discarded) == 0
    rest = [flag for flag in raises if flag != discarded]
    assert taken(flags) == list(Counter(rest).items())


@given(st.lists(st.tuples(st.sampled_from(["usr1", "usr2"]), st.floats(0, 10)), min_size=1), st.integers(0, 50))
def test_the_first_and_the_last_moment_of_a_flag_are_kept(raises: list[tuple[str, float]], cut: int) -> None:
    """The first and the last moment of a flag are kept, even if some raises were taken out and are joined again."""
    moments = iter(sorted(moment for _, moment in raises))
    flags = Flags(lambda: next(moments))
    before: dict[str, Raises] = {}
    for number, (flag, _) in enumerate(raises):
        if number == cut:
            before = dict(flags.pop() for _ in range(len(flags)))
        flags.add(flag)
    for flag, out in before.items():
        flags.join(flag, out)
    in_order = sorted(moment for _, moment in raises)
    for flag in {flag for flag, _ in raises}:
        mine = [moment for moment, (other, _) in zip(in_order, raises, strict=True) if other == flag]
        assert flags.take(flag) == (len(mine), mine[0], mine[-1])


def test_pop_of_nothing_is_an_error() -> None:
    """Taking a flag when none is raised is a KeyError."""
    with pytest.raises(KeyError):
        Flags().pop()
