"""When a process is started again, and how far apart its starts are."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.supervise.policy import Spacing, restarts

STATUSES = st.one_of(st.integers(0, 255), st.integers(-64, -1))


@given(STATUSES)
def test_always_and_never(status: int) -> None:
    """Two of the policies do not depend on how the process has ended."""
    assert restarts("always", status)
    assert not restarts("never", status)


ASKED = [0, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT, -signal.SIGUSR1, -signal.SIGUSR2]


@given(STATUSES)
def test_what_counts_as_a_failure(status: int) -> None:
    """A status other than 0 is a failure, and so is a death by a signal that does not ask a process to end."""
    assert restarts("on-failure", status) is (status not in ASKED)


@given(st.integers(0, 255))
def test_what_does_not_count_as_a_failure(status: int) -> None:
    """An exit status that counts as a success is none, nor is the death by the signal that it stands for."""
    assert not restarts("on-failure", status, [status])
    assert restarts("always", status, [status])
    assert not restarts("on-failure", -signal.SIGSEGV, [128 + signal.SIGSEGV])
    assert restarts("on-failure", -signal.SIGSEGV, [signal.SIGSEGV])


@given(st.lists(st.floats(0, 59.9), max_size=12), st.floats(0, 1))
def test_the_spacing_of_starts(lives: list[float], chance: float) -> None:
    """After the n-th short life the next start comes min(60, 2^(n-1)) s after the last one, up to 10 % later."""
    spacing = Spacing(lambda: chance)
    now = 0.0
    for number, life in enumerate(lives):
        spacing.started(now)
        after = spacing.next_start(now + life, now) - now
        assert after == pytest.approx(min(60, 2**number) * (1 + chance / 10))
        now = max(now + life, now + after)


@given(st.floats(60, 1e9), st.integers(0, 20))
def test_a_long_life_heals(life: float, short: int) -> None:
    """A process that has lived for a minute is started again at once, and its short lives count from one again."""
    spacing = Spacing(lambda: 0.0)
    for _ in range(short):
        spacing.started(0)
        spacing.next_start(0.5, 0)
    spacing.started(0)
    assert spacing.next_start(life, 0) <= life
    assert spacing.short_lives == 1
