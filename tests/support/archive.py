"""``flagman.pyz``: both commands in one file that any Python runs, made of a wheel; the same wheel makes the same file.

``python tests/support/archive.py FILE WHEEL`` writes it; ``tox run -e pyz`` does so with the wheel that tox has built.
"""

from __future__ import annotations

import os
import re
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHEBANG = b"#!/usr/bin/env python3\n"
# The name by which the file is called decides, as that of a link to it does.
_MAIN = b"""\
import sys

if sys.argv[0].rpartition("/")[2].startswith("flagmanctl"):
    from flagman.ctl.command import main
else:
    from flagman.__main__ import main
sys.exit(main())
"""
# What only an installer needs, or what belongs elsewhere, such as manual pages.
_LEFT_OUT = re.compile(r"[^/]+\.data/|[^/]+\.dist-info/(?:RECORD|WHEEL|top_level\.txt)$")
# Seconds: an archive cannot hold an earlier time.
_EARLIEST = 315532800
_MODE = 0o100644 << 16


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel that belong into the archive, by their names."""
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist() if not _LEFT_OUT.match(name)}


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the archive, as a program.

    It is not written by :mod:`zipapp`, because that takes over the times of files and drops the exit status.

    :param path: where to; it is replaced
    :param files: by their names, with flagman and its metadata
    """
    moment = time.gmtime(max(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), _EARLIEST))
    path.unlink(missing_ok=True)
    with path.open("wb") as out:
        out.write(_SHEBANG)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted({**files, "__main__.py": _MAIN}.items()):
                entry = zipfile.ZipInfo(name, moment[:6])
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = _MODE
                archive.writestr(entry, content)
    path.chmod(0o755)


if __name__ == "__main__":
    target, *given = map(Path, sys.argv[1:])
    target.parent.mkdir(exist_ok=True)
    write(target, contents(given[0] if given else Path(os.environ["TOX_PACKAGE"])))
