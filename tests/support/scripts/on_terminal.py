"""Become a command with a controlling terminal: ``on_terminal.py COMMAND ARGUMENT...``."""

import fcntl
import os
import pty
import sys
import termios

master, terminal = pty.openpty()
os.setsid()
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
os.set_inheritable(master, True)  # noqa: FBT003 - or the terminal would be closed
os.execvp(sys.argv[1], sys.argv[1:])
