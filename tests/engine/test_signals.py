"""Handlers that raise flags, and how they are removed without a trace."""

from __future__ import annotations

import os
import signal

import pytest

from flagman.engine.signals import HANDLED_SIGNALS, Signals, flag_of
from support.raised import taken


def test_handled_signals_are_the_documented_ones() -> None:
    """The handled signals are the documented ones, sorted by number."""
    assert [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2] == HANDLED_SIGNALS


def test_flags_have_the_names_of_the_options() -> None:
    """A flag is the lower-case name of its signal without SIG."""
    assert [flag_of(signum) for signum in HANDLED_SIGNALS] == ["hup", "usr1", "usr2"]


def test_creating_and_closing_touches_nothing() -> None:
    """Signals that were never armed leave nothing to put back."""
    before = signal.getsignal(signal.SIGUSR1)
    signals = Signals()
    assert signal.getsignal(signal.SIGUSR1) == before
    signals.close()


def test_a_signal_raises_its_flag_and_wakes() -> None:
    """Two signals raise their flags even if one comes 70,000 times and fills the pipe."""
    signals = Signals()
    signals.arm([signal.SIGUSR1, signal.SIGUSR2])
    try:
        for _ in range(70_000):
            signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR2)
        (usr1, _), usr2 = taken(signals.flags)
        assert (usr1, usr2) == ("usr1", ("usr2", 1))
        assert os.read(signals.wakeup.fileno(), 1)
    finally:
        signals.close()


def test_all_catchable_signals_in_flight() -> None:
    """All signals that can be armed raise their flags once, in order."""
    refused = {signal.SIGKILL, signal.SIGSTOP}
    every = sorted(set(signal.Signals) - refused)
    signals = Signals()
    signals.arm(every)
    try:
        for signum in every:
            signal.raise_signal(signum)
        assert taken(signals.flags) == [(flag_of(signum), 1) for signum in every]
    finally:
        signals.close()


def test_the_previous_wakeup_descriptor_is_put_back() -> None:
    """Closing puts back the wake-up descriptor of a program that embeds an engine."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signals = Signals()
    signals.arm([signal.SIGUSR1])
    assert signal.set_wakeup_fd(signals.wakeup.writer) == signals.wakeup.writer
    signals.close()
    assert signal.set_wakeup_fd(-1) == writer
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("other", [signal.SIG_DFL, signal.SIG_IGN])
def test_retiring_ignores_late_flags_and_lets_others_end_the_process(other: signal.Handlers) -> None:
    """In the last moments of a process late flags are ignored, and other signals end it."""
    old = {signum: signal.getsignal(signum) for signum in (signal.SIGUSR1, signal.SIGINT)}
    signals = Signals()
    signals.arm([signal.SIGUSR1])
    signals.handle(signal.SIGINT, signal.SIG_IGN)
    signals.retire(other)
    try:
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is other
    finally:
        for signum, handler in old.items():
            signal.signal(signum, handler)


def test_whether_a_signal_was_ignored_is_remembered() -> None:
    """The signals remember whether a signal was ignored, as under nohup."""
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals = Signals()
    signals.arm([signal.SIGHUP, signal.SIGUSR1])
    try:
        assert signals.was_ignored(signal.SIGHUP)
        assert not signals.was_ignored(signal.SIGUSR1)
    finally:
        signals.close()
        signal.signal(signal.SIGHUP, old)
