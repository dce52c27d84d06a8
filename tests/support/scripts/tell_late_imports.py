"""The command, which reports each import after a change of its root."""

from __future__ import annotations

import os
import sys

from flagman.__main__ import main
from flagman.daemon import steps

change_root = steps.change_root


class Says:
    """Finds no module, but reports the name of each that is looked for."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Report the name."""
        if not name.startswith(("coverage", "__main__")):
            os.write(2, f"imported late: {name}\n".encode())


def change(path: str | os.PathLike[str]) -> None:
    """Change the root, and report imports from then on."""
    change_root(path)
    sys.meta_path.insert(0, Says())


steps.change_root = change
sys.exit(main())
