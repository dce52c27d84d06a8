"""The guardian: an interpreter of its own, which ends what a daemon that was killed has left behind.

It waits for the death of the daemon, and has nothing to do before: the daemon writes the groups of its processes into a
file in memory, which both have open. A daemon that ends in order kills its guardian first. All signals are blocked.

Its interpreter has only what it needs, so this module and those that it imports need nothing else of flagman.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress

from flagman.supervise.guard.seen import Process, shows_us
from flagman.supervise.guard.sweep import PATIENCE, Group, Sweep, end_without_proc

#: Its descriptors: the file with the groups, a pipe that ends with the daemon, one that ends with it, and the lock.
MEMORY, DAEMON, LIFE, LOCK = 3, 4, 5, 6
#: The bytes of an entry in the file with the groups. The first one is the mark of the daemon.
ENTRY = 80

# Seconds between two looks whether the daemon has died.
_PAUSE = 0.02


def notes(daemon: int, start: int, guardian: int, latest: float, random: bytes) -> bytes:
    """Return what stands in the file of the lock, for the next daemon of that name.

    :param daemon: its number; 0 when it has died
    :param start: when it was started, see :class:`Process`
    :param guardian: the number of the guardian
    :param latest: the monotonic time at which the guardian will have ended; 0 while the daemon lives
    :param random: what the marks of its processes begin with
    """
    return b"%10d %20d %10d %20.3f %b\n" % (daemon, start, guardian, latest, random)


def read_groups(memory: int) -> tuple[bytes, list[Group]]:
    """Return the mark of the daemon, and the groups that it has told of."""
    text = os.pread(memory, os.fstat(memory).st_size, 0)
    random, *entries = (text[place : place + ENTRY] for place in range(0, len(text), ENTRY))
    groups = []
    for entry in entries:
        words = entry.split()
        if words:
            leader, start, signum = map(int, words[:3])
            groups.append(Group(leader, start, signum, time.monotonic() + float(words[3])))
    return random.strip(), groups


def wait_for_death(daemon: int) -> None:
    """Wait until the daemon, which is the parent, has died; that it is stopped is no death.

    A process that it has forked may hold its end of the pipe, so its descriptor is better, where there is one.
    """
    poll = select.poll()
    try:
        poll.register(os.pidfd_open(daemon), select.POLLIN)
    except (AttributeError, OSError):
        poll.register(DAEMON, 0)
    while os.getppid() == daemon:  # a new process with its number would not be the parent
        poll.poll()
        time.sleep(_PAUSE)  # it dies, or other code has closed its end


def say(text: str) -> None:
    """Write a line to standard error, unless that would have to wait."""
    poll = select.poll()
    with suppress(OSError):
        poll.register(2, select.POLLOUT)
        if poll.poll(0) == [(2, select.POLLOUT)]:
            os.write(2, os.fsencode(f"flagman: {text}\n"))


def main() -> None:
    """Guard the daemon of the command line, and exit."""
    name, daemon, since, grace = sys.argv[1:]
    guard(name, int(daemon), int(since), float(grace))
    os._exit(0)  # at once


def guard(name: str, daemon: int, since: int, grace: float) -> None:
    """Guard one daemon.

    :param name: of the daemon
    :param daemon: its number; 0 if it died before, together with its guardian
    :param since: when it was started, see :class:`Process`
    :param grace: the seconds for processes that it has not told of
    """
    with suppress(OSError):
        os.setsid()  # where the daemon could not do so
    os.chdir("/")
    _close_others()
    if daemon:
        wait_for_death(daemon)
    # A stop may have lasted so long that numbers were given again. After it CONT is pending, because it is blocked.
    is_prompt = daemon != 0 and signal.SIGCONT not in signal.sigpending()
    random, groups = read_groups(MEMORY)
    others = Group(0, 0, signal.SIGTERM, time.monotonic() + grace)
    latest = max([others.deadline, *(group.deadline for group in groups)])
    with suppress(OSError):
        os.pwrite(LOCK, notes(0, 0, os.getpid(), latest + PATIENCE, random), 0)
    if not shows_us():
        end_without_proc(groups)
        left: list[Process] = []
    else:
        sweep = Sweep(random, groups, others, since, is_prompt=is_prompt)
        if sweep.look():
            say(f"{name} was killed, and its guardian ends what it has left")
        left = sweep.run()
    if left:
        say(f"the guardian of {name} cannot end {', '.join(str(process.pid) for process in left)}")
    with suppress(OSError):
        os.ftruncate(LOCK, 0)


def _close_others() -> None:
    """Close what was inherited from the daemon, such as a socket that a manager has opened."""
    for listing in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            for descriptor in map(int, os.listdir(listing)):  # noqa: PTH208
                if descriptor > LOCK:
                    with suppress(OSError):
                        os.close(descriptor)
            return
