"""The verb ``completion``: prints the script that completes both commands in a shell."""

from __future__ import annotations

import os

from flagman.ctl.screen import write
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words

#: The scripts, which a test makes of the tables of options, actions and verbs.
SCRIPTS = {"bash": "flagman", "zsh": "_flagman", "fish": "flagman.fish"}
_FOLDER = "completions"


def run(words: Words) -> int:
    """Print the script.

    :returns: the exit status
    :raises UsageError: if there is none for this shell
    """
    shell = words.argument
    if shell not in SCRIPTS:
        from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only for a mistake

        hint = did_you_mean(shell, SCRIPTS)
        raise UsageError(f"completion: there is none for {shell!r}{hint}; the shells are {', '.join(SCRIPTS)}")
    write(_read(SCRIPTS[shell]).rstrip("\n"))
    return 0


def _read(name: str) -> str:
    """Return a file of this package; its loader reads it, because the package may be in an archive."""
    spec = __spec__
    if spec.origin is None or spec.loader is None:
        raise ImportError("the package has no files", name=__name__)
    path = os.path.join(os.path.dirname(spec.origin), _FOLDER, name)  # noqa: PTH118, PTH120 - pathlib costs 5 ms
    data: bytes = spec.loader.get_data(path)  # type: ignore[attr-defined]
    return data.decode()
