"""Start a command with some signals ignored, and some blocked; this runs without the modules of any site.

The numbers of both, separated by commas, come before the command.
"""

import os
import signal
import sys

ignored, blocked, *command = sys.argv[1:]
for number in filter(None, ignored.split(",")):
    signal.signal(int(number), signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, map(int, filter(None, blocked.split(","))))
os.execv(command[0], command)
