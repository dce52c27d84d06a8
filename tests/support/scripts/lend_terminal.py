"""Lend the terminal to a command, as flagman does: ``lend_terminal.py COMMAND ARGUMENT...``."""

import os
import select
import signal
import sys

from flagman.service.control_loop import ControlLoop
from flagman.supervise.terminal import Terminal

command = sys.argv[1:]
signal.signal(signal.SIGTTIN, signal.SIG_IGN)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
found = Terminal.find()
if found is None:
    sys.exit("there is no terminal to lend")
terminal = found
loop = ControlLoop(bool, bool)
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
pids: list[int] = []


def start() -> None:
    """Start the command, in a group of its own."""
    default = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    pid = os.posix_spawnp(command[0], command, os.environ, setpgroup=0, setsigmask=(), setsigdef=default)
    terminal.begin(pid, loop.call)
    pids.append(pid)


def go_on() -> None:
    """Continue the command."""
    terminal.resume()
    for pid in pids:
        os.killpg(pid, signal.SIGCONT)


signal.signal(signal.SIGCONT, lambda *_: loop.call(go_on))
loop.start()
loop.call(start)
loop.settle(60)
pid = pids[0]
pidfd = os.pidfd_open(pid)
poll = select.poll()
poll.register(pidfd, select.POLLIN)
poll.register(reader, select.POLLIN)
while all(descriptor != pidfd for descriptor, _ in poll.poll()):
    os.read(reader, 4096)

result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
killed = result is not None and result.si_code != os.CLD_EXITED
loop.call(terminal.end, killed=killed)
loop.settle(60)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
loop.stop(60)
print("wrapped:", status, flush=True)
sys.exit(status if status >= 0 else 128 - status)
