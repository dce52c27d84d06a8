"""Programs that send signals, or report those that they get."""

from __future__ import annotations

import os
import signal
import time


def flood(pid: int, signum: int, pause: float) -> None:
    """Send one signal until its receiver has gone, with pauses in seconds that let the receiver do other things."""
    try:
        while True:
            for _ in range(100):
                os.kill(pid, signum)
            if pause:
                time.sleep(pause)
    except ProcessLookupError:
        pass


def send(pid: int, signum: int, count: int) -> None:
    """Send one signal this many times, as fast as possible, and print the time right before the last one."""
    for _ in range(count - 1):
        os.kill(pid, signum)
    print(time.monotonic_ns(), flush=True)
    os.kill(pid, signum)


def receive() -> None:
    """Print when it is ready, and the name of each signal that arrives."""
    # Not handlers and pause(): a signal right before pause() would wait for the next one.
    signals = {signal.SIGHUP, signal.SIGUSR2}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    print("ready", flush=True)
    while True:
        print(signal.Signals(signal.sigwait(signals)).name, flush=True)
