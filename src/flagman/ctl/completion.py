"""The verb ``completion``: prints the script that completes both commands in a shell."""

from __future__ import annotations

from flagman.ctl.screen import write
from flagman.exceptions import UsageError
from flagman.text.packaged import packaged

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
        raise UsageError(f"completion: there is none for {shell!r}; the shells are {', '.join(SCRIPTS)}")
    write(packaged(__spec__, _FOLDER, SCRIPTS[shell]).rstrip("\n"))
    return 0
