"""The processes of a daemon as a table, and in words why some are not as they should be."""

from __future__ import annotations

from flagman.ctl.screen import DIM, RED, YELLOW, color_of
from flagman.ctl.table import Cell, Column, table
from flagman.ctl.times import age, ago
from flagman.text.shown import listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flagman.ctl.fields import Fields
    from flagman.ctl.screen import Screen

_NONE = "-"
# The text of a process in one of these states tells what it waits for, or what went wrong.
_TELLING = frozenset({"waiting", "starting", "stopping", "backoff", "failed"})

# How an instance has ended tells enough of what these have come to.
_PLAIN = frozenset({"exit", "signal", "requested", "config-changed"})


def lines(processes: Sequence[Fields], screen: Screen, title: str = "NAME") -> list[str]:
    """Return the lines of the table; below it stands why processes are not ready.

    :param title: what stands above the names
    """
    columns = (
        Column(title, is_text=True),
        Column("STATE"),
        Column("SINCE"),
        Column("RESTARTS", is_number=True),
        Column("PID", is_number=True),
        Column("LAST", is_text=True),
    )
    page = table(columns, list(map(_row, processes)), screen)
    reasons = [line for process in processes for line in _reasons(process, screen)]
    return [*page, "", *reasons] if reasons else page


def _row(process: Fields) -> list[Cell]:
    state, restarts = process.text("state"), process.count("restarts")
    due = process.inner("backoff").number("next_start_in")
    if state == "backoff" and due is not None:
        state = f"{state} {age(due)}"
    pid = process.count("pid")
    return [
        Cell(process.text("name")),
        Cell(state or _NONE, RED if _is_failing(process) else color_of(process.text("state"))),
        Cell(ago(process.number("since_ago"))),
        Cell(str(restarts), YELLOW if restarts else DIM),
        Cell(str(pid) if pid else _NONE, "" if pid else DIM),
        _last(process.inner("last")),
    ]


def _last(last: Fields) -> Cell:
    """Return how the last instance has ended: in few words, because its last line stands elsewhere."""
    status, signal = last.number("status"), last.text("signal")
    if last.text("reason") not in _PLAIN or (status is None and not signal):
        text = last.text("text") or last.text("reason")
    else:
        text = f"killed by {signal}" if signal else f"exited with {status:.0f}"
        text += ", core dumped" * last.is_true("core")
    return Cell(text or _NONE, "" if text else DIM)


def _reasons(process: Fields, screen: Screen) -> Iterator[str]:
    """Yield why a process is not ready, and what has left its group."""
    name, text = process.text("name"), process.text("text")
    if text and (process.text("state") in _TELLING or _is_failing(process)):
        yield from screen.wrapped(f"{name}: {text}", "  ", RED if _is_failing(process) else "")
    strays = listed([f"{stray.text('name')} ({stray.count('pid')})" for stray in process.each("strays")])
    if strays:
        yield from screen.wrapped(f"{name}: has left its group: {strays}", "  ", YELLOW)


def _is_failing(process: Fields) -> bool:
    """Return whether a process should run, and does not."""
    return process.text("health") == "failing"
