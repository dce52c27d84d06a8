"""Reports of programs that become daemons to the test that has started them."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal

#: Marks processes that must not outlive a test, and all their children: its value is the directory of the test.
MARK = "FLAGMAN_TESTED_IN"


def at(name: str) -> str:
    """Return the path of a file in the directory of the test."""
    return os.path.join(os.environ[MARK], name)


def said() -> int:
    """Open the FIFO to the test, and return its descriptor."""
    return os.open(at("said"), os.O_WRONLY)


def say(fifo: int | None = None, **facts: object) -> None:
    """Report some facts and the pid of this process to the test.

    :param fifo: a descriptor that leads to the test, for a process that cannot reach its directory
    """
    line = json.dumps({"pid": os.getpid(), **facts}) + "\n"
    os.write(said() if fifo is None else fifo, line.encode())


def tell() -> None:
    """Report all about this process, and wait to be killed."""
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t") for line in file.read().splitlines() if ":\t" in line)
    with open("/proc/self/stat") as file:
        stat = file.read().rpartition(")")[2].split()
    mask = os.umask(0o77)
    os.umask(mask)
    found = {}
    for number in list(map(int, os.listdir("/proc/self/fd"))):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the descriptor of the listing itself
            continue
    say(
        group=int(stat[2]),
        session=int(stat[3]),
        tty=int(stat[4]),
        umask=mask,
        cwd=os.getcwd(),
        uids=status["Uid"].split(),
        gids=status["Gid"].split(),
        groups=os.getgroups(),
        access={number: fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE for number in found},
        core=resource.getrlimit(resource.RLIMIT_CORE),
        found=found,
        home=os.environ.get("HOME"),
    )
    signal.pause()
