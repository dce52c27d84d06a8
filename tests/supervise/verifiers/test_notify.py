"""The kind ``notify``: messages of real processes, good ones and others."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.driven import wait_for
from support.fake_loop import FakeLoop
from support.verifying import life_fixture, looped_fixture

if TYPE_CHECKING:
    from support.verifying import Begin

__all__ = ["life_fixture", "looped_fixture"]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the sender of a message")

# What a process does that can send messages.
TALK = """
import os, socket, sys, time
box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
box.connect("\\0" + os.environ["NOTIFY_SOCKET"][1:])
def say(text, *descriptors):
    socket.send_fds(box, [text.encode()], descriptors) if descriptors else box.send(text.encode())
def barrier():
    reader, writer = os.pipe()
    say("BARRIER=1", writer)
    os.close(writer)
    os.read(reader, 1)
def sleep():
    time.sleep(600)
"""


def talk(*lines: str) -> list[str]:
    """Return a command that sends messages."""
    return [sys.executable, "-c", TALK + "\n".join(lines)]


def test_a_leader_is_ready(life: Begin) -> None:
    """The leader is ready when it says so, among other things."""
    begun = life(
        "notify", *talk("say('STATUS=up \\x1b[1m' + 300 * 'x' + '\\nREADY=1\\nMAINPID=1\\nFDSTORE=1')", "sleep()")
    )
    assert begun.verdict() == ""
    assert begun.verification.status == (r"up \x1b[1m" + 300 * "x")[:200]


def test_nothing_else_makes_it_ready(life: Begin) -> None:
    """Only READY=1 makes it ready, and the last status tells why it is not."""
    lines = [r"for text in 'READY=0', 'READY', '', '=', '\n\n', 'READY=1 ', 'ready=1', 'STOPPING=1': say(text)"]
    begun = life("notify", *talk(*lines, r"box.send(b'\xff=\xff')", "say('STATUS=loading')", "sleep()"))
    wait_for(lambda: begun.verification.status)
    assert begun.verdicts == []
    assert begun.verification.last_error == "its status is: loading"


def test_a_barrier_ends(life: Begin) -> None:
    """Descriptors are closed at once, so a process that waits for that goes on; many of them are closed, too."""
    many = "say('STATUS=many', *[os.open('/dev/null', os.O_RDONLY) for _ in range(200)])"
    begun = life("notify", *talk("barrier()", many, "barrier()", "say('READY=1')", "sleep()"))
    before = set(Path("/proc/self/fd").iterdir())
    assert begun.verdict() == ""
    assert len(set(Path("/proc/self/fd").iterdir()) - before) < 10


def test_a_long_message_is_ignored(life: Begin) -> None:
    """A message that is too long is ignored as a whole, and what comes after it is read."""
    lines = ["say('READY=1' + chr(10) + 65536 * 'x')", "say('READY=1' + chr(10) + 4090 * 'x')", "say('STATUS=long')"]
    begun = life("notify", *talk(*lines, "sleep()"))
    wait_for(lambda: begun.verification.status)
    assert begun.verdicts == []


# A process that starts another one, which sends its message and waits until it has been read.
CHILD = "os.fork() or (say('READY=1'), barrier(), os._exit(0))"


def test_a_child_of_the_leader_is_not_the_leader(life: Begin) -> None:
    """The message of a child does not count, and it is told why."""
    begun = life("notify", *talk(CHILD, "os.wait()", "say('STATUS=ended')", "sleep()"))
    wait_for(lambda: begun.verification.status)
    assert begun.verdicts == []
    begun = life("notify", *talk(CHILD, "sleep()"))
    wait_for(lambda: begun.verification.last_error)
    assert begun.verification.last_error.endswith(
        "said READY=1, and not the leader; set access to group if it is one of the process's own"
    )


def test_the_group_may_have_access(life: Begin) -> None:
    """With access = "group" the message of a child counts, also if that ends as soon as it has been read."""
    table = {"type": "notify", "access": "group"}
    assert life(table, *talk(CHILD, "os.wait()", "sleep()")).verdict() == ""
    stranger = "os.fork() or (os.setsid(), say('READY=1'), barrier(), os._exit(0))"
    begun = life(table, *talk(stranger, "os.wait()", "say('STATUS=ended')", "sleep()"))
    wait_for(lambda: begun.verification.status)
    assert begun.verdicts == []


@pytest.mark.skipif(shutil.which("systemd-notify") is None, reason="needs systemd-notify")
def test_systemd_notify(life: Begin) -> None:
    """A script may use systemd-notify, which waits until its message has been read."""
    table = {"type": "notify", "access": "group"}
    assert life(table, "sh", "-c", "systemd-notify --ready --status=up; exec sleep 600").verdict() == ""


def test_more_time(life: Begin) -> None:
    """EXTEND_TIMEOUT_USEC is honoured, and nonsense is ignored."""
    lines = [f"say('EXTEND_TIMEOUT_USEC={value}')" for value in ("x", "-1", "9" * 40, "600000000")]
    begun = life({"type": "notify", "timeout": "1m"}, *talk(*lines, "say('STATUS=later')", "sleep()"))
    wait_for(lambda: begun.verification.status)
    assert 540 < begun.verification._limit - begun.verification._began < 700


def test_messages_do_not_block_a_process_that_is_ready(life: Begin) -> None:
    """The socket is read for as long as the process lives, so that it never blocks."""
    lines = ["say('READY=1')", "[say(f'STATUS={number}') for number in range(5000)]", "barrier()", "say('STATUS=end')"]
    begun = life("notify", *talk(*lines, "sleep()"))
    assert begun.verdict() == ""
    wait_for(lambda: begun.verification.status == "end")


def test_a_watchdog(life: Begin) -> None:
    """A process that has promised signs of life, and gives none after READY=1, has failed; before, it need not."""
    lines = ["assert os.environ['WATCHDOG_USEC'] == '300000'", "time.sleep(0.5)", "say('READY=1')"]
    begun = life({"type": "notify", "watchdog": "300ms"}, *talk(*lines, "sleep()"))
    assert begun.verdict() == ""
    wait_for(lambda: begun.failures)
    assert begun.failures == ["watchdog: no WATCHDOG=1 for 300ms"]


def test_a_process_may_trigger_its_watchdog(life: Begin) -> None:
    """A process can say itself that it does not work."""
    table = {"type": "notify", "watchdog": "1h"}
    begun = life(table, *talk("say('READY=1')", "say('WATCHDOG=1')", "say('WATCHDOG=trigger')", "sleep()"))
    wait_for(lambda: begun.failures)
    assert begun.failures == ["watchdog: the process said WATCHDOG=trigger"]


def test_signs_of_life_wind_the_watchdog() -> None:
    """Each WATCHDOG=1 begins the time anew, and a verifier that is cancelled says nothing."""
    from flagman.supervise.verifiers.notifications import Message  # noqa: PLC0415 - Linux only
    from flagman.supervise.verifiers.notify import Notify  # noqa: PLC0415 - Linux only

    loop = FakeLoop()
    gifts = Notify("leader", 10.0).gifts(loop)
    failures: list[str] = []
    gifts.on_failure = failures.append
    wind = Message(1, b"WATCHDOG=1", is_ours=True)
    gifts._take(wind)  # type: ignore[attr-defined]
    assert loop.due() is None
    gifts.verified()
    for _ in range(20):
        loop.advance(9.9)
        gifts._take(wind)  # type: ignore[attr-defined]
    gifts._take(Message(2, b"WATCHDOG=1", is_ours=False))  # type: ignore[attr-defined]
    assert failures == []
    loop.advance(10)
    assert failures == ["watchdog: no WATCHDOG=1 for 10s"]
    gifts._take(wind)  # type: ignore[attr-defined]
    gifts.close()
    assert loop.due() is None
