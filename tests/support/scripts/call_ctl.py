"""The command flagmanctl, run by another user.

It is called once before, for its imports, because the other user may not read the interpreter's directory.
"""

import contextlib
import io
import os
import sys

from flagman.ctl import command as ctl

with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
    ctl.main([*sys.argv[:-1], "/no/such"])
os.setuid(65534)
sys.exit(ctl.main(sys.argv))
