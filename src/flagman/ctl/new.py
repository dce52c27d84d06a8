"""The verb ``new``: writes a plugin package."""

from __future__ import annotations

import shlex
from pathlib import Path

from flagman.cli import scaffold
from flagman.ctl.screen import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Write the package, and print what comes next.

    :returns: the exit status
    """
    name = words.argument
    directory = Path(words.directory or name)
    lines = [str(directory / path) for path in scaffold.create(name, directory, words.init)]
    *first, last = scaffold.commands(name)
    lines.append(f"Next: {' && '.join([f'cd {shlex.quote(str(directory.resolve()))}', *first])}")
    lines.append(f"Then: {last}")
    write("\n".join(lines))
    return 0
