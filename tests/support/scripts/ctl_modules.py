"""Run flagmanctl with these arguments, and print the modules that it has imported on the standard error."""

import sys

before = set(sys.modules)
from flagman.ctl.command import main  # noqa: E402 - what was there before is not counted

status = main(sys.argv)
print(*sorted(set(sys.modules) - before), file=sys.stderr)
sys.exit(status)
