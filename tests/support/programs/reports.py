"""What programs that become daemons tell the test that has started them."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal

#: In the environment of processes that must not outlive a test, and of all that they start: the test's directory.
MARK = "FLAGMAN_TESTED_IN"


def at(name: str) -> str:
    """Return the path of a file in the directory of the test."""
    return os.path.join(os.environ[MARK], name)


def said() -> int:
    """Open the FIFO at whose other end the test listens, and return its descriptor."""
    return os.open(at("said"), os.O_WRONLY)


def say(fifo: int | None = None, **facts: object) -> None:
    """Tell the test some facts, and the number of this process.

    :param fifo: leads to the test, as where its directory cannot be reached
    """
    line = json.dumps({"pid": os.getpid(), **facts}) + "\n"
    os.write(said() if fifo is None else fifo, line.encode())


def tell() -> None:
    """Tell all about this process, and wait to be killed."""
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
        except OSError:  # that of the listing itself
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
