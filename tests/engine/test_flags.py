"""The laws of the raised flags."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.engine.flags import Flags

RAISES = st.lists(st.sampled_from(["hup", "usr1", "usr2", "every-5m", "stop"]))


@given(RAISES)
def test_first_raise_keeps_its_place_and_repeats_are_counted(raises: list[str]) -> None:
    """However often flags are raised, each comes out once, in the order of first raises, with its count."""
    flags = Flags()
    for flag in raises:
        flags.add(flag)
    assert len(flags) == len(set(raises))
    assert [flags.pop() for _ in range(len(flags))] == list(Counter(raises).items())
    assert not flags


@given(RAISES, st.sampled_from(["hup", "usr1"]))
def test_discard_forgets_one_flag_and_tells_its_count(raises: list[str], discarded: str) -> None:
    """Discarding leaves all others in their order."""
    flags = Flags()
    for flag in raises:
        flags.add(flag)
    assert flags.discard(discarded) == raises.count(discarded)
    assert discarded not in flags
    assert flags.discard(discarded) == 0
    rest = [flag for flag in raises if flag != discarded]
    assert [flags.pop() for _ in range(len(flags))] == list(Counter(rest).items())


def test_pop_of_nothing_is_an_error() -> None:
    """There is no flag to invent."""
    with pytest.raises(KeyError):
        Flags().pop()
