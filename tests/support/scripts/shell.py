"""Lead a session as a shell does, with a command in its own process group in the foreground."""

import os
import signal
import sys

signal.signal(signal.SIGTTOU, signal.SIG_IGN)
if os.fork():
    while True:
        signal.pause()
os.setpgid(0, 0)
os.tcsetpgrp(0, os.getpid())
signal.signal(signal.SIGTTOU, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
