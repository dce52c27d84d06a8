"""The least that a program in Python needs for the same work; the first argument is the name of the loop."""

from __future__ import annotations

import os
import signal
import sys
import time

_FIFO = os.open(os.environ["BENCH_FIFO"], os.O_WRONLY)
_PID = os.getpid()
_SIGNALS = {signal.SIGUSR1}


def write_record(*_: object) -> None:
    """Write the time as a record."""
    os.write(_FIFO, b"%d %d\n" % (time.monotonic_ns(), _PID))


def tell_ready() -> None:
    """Send READY=1, as cheaply as it can be sent."""
    import _socket  # noqa: PLC0415 - what socket adds is no part of the least

    notify = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    notify.close()


def wakeup() -> None:
    """Sleep in poll(); a descriptor that the interpreter writes to ends the sleep."""
    import select  # noqa: PLC0415 - only this loop needs it

    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    poller = select.poll()
    poller.register(read, select.POLLIN)
    tell_ready()
    while True:
        poller.poll()
        if os.read(read, 65536):
            write_record()


def sigwait() -> None:
    """Sleep until a signal is there to be taken."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    tell_ready()
    while True:
        signal.sigwait(_SIGNALS)
        write_record()


def pause() -> None:
    """Test a flag, then sleep: a signal between the two is lost."""
    flags = []
    signal.signal(signal.SIGUSR1, lambda *_: flags.append(1))
    tell_ready()
    while True:
        if flags:
            flags.clear()
            write_record()
        else:
            signal.pause()


def with_asyncio() -> None:
    """Sleep in the loop of asyncio."""
    import asyncio  # noqa: PLC0415 - only this loop needs it

    async def serve() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, write_record)
        tell_ready()
        await asyncio.Event().wait()

    asyncio.run(serve())


def spawn() -> None:
    """Sleep in sigwait(), and start a command by posix_spawn()."""
    command = sys.argv[2:]
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    tell_ready()
    while True:
        signal.sigwait(_SIGNALS)
        os.waitpid(os.posix_spawn(command[0], command, os.environ, setsigmask=()), 0)


def popen() -> None:
    """Sleep in sigwait(), and start a command by subprocess."""
    import subprocess  # noqa: PLC0415 - only this loop needs it

    command = sys.argv[2:]
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    tell_ready()
    while True:
        signal.sigwait(_SIGNALS)
        subprocess.run(command, check=False)


LOOPS = {
    "wakeup": wakeup,
    "sigwait": sigwait,
    "pause": pause,
    "asyncio": with_asyncio,
    "spawn": spawn,
    "popen": popen,
    "stamp": write_record,
}

if __name__ == "__main__":
    LOOPS[sys.argv[1]]()
