"""Run the command up to the moment at which its engine would begin to wait, and print what that has imported."""

import logging  # noqa: F401 - what this takes differs from one Python to the next
import sys

before = set(sys.modules)
import flagman.__main__  # noqa: E402
from flagman.engine.loop import Loop  # noqa: E402

Loop.run = lambda _: None  # type: ignore[method-assign, assignment]
flagman.__main__.main()
print(*sorted(set(sys.modules) - before))
