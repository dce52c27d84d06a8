"""Prints `up PID`, and then the name of each signal that it gets; it ends with status 3 at TERM, INT or QUIT.

Signals that are named as arguments are printed and change nothing; with `alone` nothing ends it but KILL.
"""

import os
import signal
import sys

ALL = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
signal.pthread_sigmask(signal.SIG_BLOCK, ALL)
print("up", os.getpid(), flush=True)
while True:
    signum = signal.sigwait(ALL)
    try:
        name = signal.Signals(signum).name
    except ValueError:
        name = str(signum)
    print(name, flush=True)
    if name in ("SIGTERM", "SIGINT", "SIGQUIT") and name not in sys.argv and "alone" not in sys.argv:
        sys.exit(3)
