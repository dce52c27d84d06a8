"""Run the command until all is ready, and print which modules have been imported."""

import contextlib  # noqa: F401 - here, as the next, because their own imports differ between versions of Python
import signal  # noqa: F401
import sys

before = set(sys.modules)
import flagman.__main__  # noqa: E402
from flagman.cli.hooks import Hooks  # noqa: E402
from flagman.engine.loop import Loop  # noqa: E402

ready = Hooks.ready


def become_ready(hooks: Hooks) -> None:
    """Take a look before the command imports what is needed later."""
    global found  # noqa: PLW0603 - it is printed in the end
    found = set(sys.modules) - before
    ready(hooks)


found: set[str] = set()
Hooks.ready = become_ready  # type: ignore[assignment, method-assign]
Loop.run = lambda _: None  # type: ignore[method-assign, assignment]
flagman.__main__.main()
print(*sorted(found))
