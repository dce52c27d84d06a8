"""Reading the names of signals, and writing them."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.engine.signals import flag_of
from flagman.text.signames import bindable, name_of, number_of


@given(st.sampled_from(sorted(signal.valid_signals())), st.sampled_from(["{}", "SIG{}", " sig{} "]))
def test_every_signal_has_a_name_that_reads_back(number: int, form: str) -> None:
    """Every name of a signal reads back in any case, with and without SIG, and so does its number."""
    assert number_of(form.format(name_of(number))) == number
    assert number_of(form.format(name_of(number)).lower()) == number
    assert number_of(str(int(number))) == number
    assert flag_of(number) == name_of(number).lower()


def test_real_time_signals() -> None:
    """Real-time signals are counted from either end."""
    assert number_of("RTMIN") == number_of("RTMIN+0") == signal.SIGRTMIN
    assert number_of("rtmin+3") == signal.SIGRTMIN + 3
    assert number_of("SIGRTMAX-1") == signal.SIGRTMAX - 1
    assert name_of(signal.SIGRTMIN) == "RTMIN"
    assert name_of(signal.SIGRTMAX - 1) == "RTMAX-1"


def test_aliases_mean_the_same() -> None:
    """An alias means the same signal as for kill(1)."""
    assert number_of("CLD") == signal.SIGCHLD
    assert number_of("POLL") == number_of("IO")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a signal"),
        ("0", "is not a signal"),
        ("32", "is not a signal"),
        ("65", "is not a signal"),
        ("-1", "is not a signal"),
        ("99999999999999999999", "is not a signal"),
        ("USR3", "is not a signal; did you mean 'USR2'|'USR1'"),
        ("SIG", "is not a signal"),
        ("_DFL", "is not a signal"),
        ("DFL", "is not a signal"),
        ("RTMIN+31", r"is not between RTMIN and RTMAX, which is RTMIN\+30"),
        ("RTMAX-31", "is not between RTMIN and RTMAX"),
        ("RTMIN-1", "is not a signal"),
        ("RTMIN+", "is not a signal"),
        ("USR1 USR2", "is not a signal"),
        ("²", "is not a signal"),
    ],
)
def test_what_is_no_signal(text: str, message: str) -> None:
    """A word that is no signal is refused, with the nearest name if there is one."""
    with pytest.raises(ValueError, match=message):
        number_of(text)


@pytest.mark.parametrize(
    "name", ["KILL", "STOP", "SEGV", "BUS", "FPE", "ILL", "TTOU", "CHLD", "PIPE", "ALRM", "9", "SIGCLD"]
)
def test_what_cannot_be_bound(name: str) -> None:
    """A signal that cannot be bound is refused with the reason."""
    with pytest.raises(ValueError, match=f"'{name}' cannot be bound: .{{20}}"):
        bindable(name)


def test_all_other_signals_can_be_bound() -> None:
    """Every signal that a process may usefully catch can be bound."""
    refused = {"KILL", "STOP", "SEGV", "BUS", "FPE", "ILL", "TTOU", "CHLD", "PIPE", "ALRM"}
    for number in signal.valid_signals():
        if name_of(number) not in refused:
            assert bindable(name_of(number)) == number
