"""Programs that send signals, or tell of those that they get."""

from __future__ import annotations

import os
import signal
import time


def flood(pid: int, signum: int, pause: float) -> None:
    """Send one signal until its receiver has gone, perhaps with pauses that let it do other things, too."""
    try:
        while True:
            for _ in range(100):
                os.kill(pid, signum)
            if pause:
                time.sleep(pause)
    except ProcessLookupError:
        pass


def send(pid: int, signum: int, count: int) -> None:
    """Send one signal as often as it is told, as fast as it can, and print when it began to send the last one."""
    for _ in range(count - 1):
        os.kill(pid, signum)
    print(time.monotonic_ns(), flush=True)
    os.kill(pid, signum)


def receive() -> None:
    """Print when it is ready, and the name of each signal that it gets."""
    # Not handlers and pause(): a signal that comes right before the latter would wait for the next one.
    signals = {signal.SIGHUP, signal.SIGUSR2}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    print("ready", flush=True)
    while True:
        print(signal.Signals(signal.sigwait(signals)).name, flush=True)
