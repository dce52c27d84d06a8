"""The command flagmanctl, run by another user.

All imports come before, because the other user may not read the interpreter's directory.
"""

import json  # noqa: F401 - see above
import os
import pkgutil
import struct  # noqa: F401
import sys
from importlib import import_module

import flagman.ctl
import flagman.daemon.holder
from flagman.ctl import command as ctl

for module in pkgutil.iter_modules(flagman.ctl.__path__, "flagman.ctl."):
    import_module(module.name)
os.setuid(65534)
sys.exit(ctl.main(sys.argv))
