"""What came of runs, in lines."""

from __future__ import annotations

from flagman.ctl.colors import RED
from flagman.ctl.fields import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.fields import Fields
    from flagman.ctl.screen import Screen

#: Results that need no attention.
GOOD = frozenset({"succeeded", "closed", "skipped"})


def errors_of(run: Fields, screen: Screen, indent: str = "  ") -> list[str]:
    """Return the errors of a run, or of an answer about one, each in a line or more.

    Each is told with its action, if the run had several.
    """
    failed = [action for action in run.each("actions") if action.text("error")]
    named = len(run.each("actions")) > 1
    errors = [f"{f'{command(action)}: ' if named else ''}{action.text('error')}" for action in failed]
    if not errors and run.text("error"):
        errors = [run.text("error")]
    return [screen.paint(line, RED) for error in errors for line in screen.wrapped(error, indent)]
