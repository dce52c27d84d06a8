"""The verb ``reload``: lets the daemon read its configuration file again, and shows what has changed."""

from __future__ import annotations

from flagman.ctl.asking import ask
from flagman.ctl.fields import command
from flagman.ctl.screen import Screen, color_of, write
from flagman.ctl.table import Cell, Column, table
from flagman.ctl.targets import waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words

_COLUMNS = (Column("CHANGE"), Column("FLAG", is_text=True), Column("ACTION", is_text=True))
_OF_PROCESSES = (Column("CHANGE"), Column("PROCESS", is_text=True))


def run(words: Words) -> int:
    """Reload.

    :returns: the exit status
    """
    answer = ask(words, "POST", f"/reload{waiting(words.wait)}")
    if words.json:
        return 0
    rows = [
        [Cell(change, color_of(change)), Cell(binding.text("flag")), Cell(command(binding))]
        for change in ("kept", "added", "removed")
        for binding in answer.each(change)
    ]
    processes = answer.inner("processes")
    of_processes = [
        [Cell(change, color_of(change)), Cell(name)]
        for change in ("kept", "changed", "added", "removed")
        for name in processes.texts(change)
    ]
    screen = Screen(words.color)
    tables = [
        "\n".join(table(columns, cells, screen))
        for columns, cells in ((_COLUMNS, rows), (_OF_PROCESSES, of_processes))
        if cells
    ]
    write("\n\n".join(tables) or "reloaded; no action is bound")
    return 0
