"""Run the command until its engine would begin to wait, and print which modules have been imported."""

import logging  # noqa: F401 - here, because its own imports differ between versions of Python
import sys

before = set(sys.modules)
import flagman.__main__  # noqa: E402
from flagman.engine.loop import Loop  # noqa: E402

Loop.run = lambda _: None  # type: ignore[method-assign, assignment]
flagman.__main__.main()
print(*sorted(set(sys.modules) - before))
