"""Prints `up PID`, and then the name of each signal that it gets; it ends with status 3 at TERM, INT or QUIT.

Signals that are named as arguments are printed and change nothing; with `alone` nothing ends it but KILL. It also ends
soon after its parent, which a test may kill.
"""

import os
import signal
import sys

ALL = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
signal.pthread_sigmask(signal.SIG_BLOCK, ALL)
parent = os.getppid()
print("up", os.getpid(), flush=True)
while True:
    info = signal.sigtimedwait(ALL, 1)
    if info is None:
        if os.getppid() != parent:
            sys.exit()
        continue
    try:
        name = signal.Signals(info.si_signo).name
    except ValueError:
        name = str(info.si_signo)
    print(name, flush=True)
    if name in ("SIGTERM", "SIGINT", "SIGQUIT") and name not in sys.argv and "alone" not in sys.argv:
        sys.exit(3)
