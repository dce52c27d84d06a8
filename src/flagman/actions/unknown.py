"""What may be meant by a name that no action has."""

from __future__ import annotations

from flagman.text.hints import did_you_mean
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# How the actions are written that do what people call by other names.
_MEANT = {
    "to run a shell command: sh 'COMMAND ...'": ("shell", "bash", "dash", "zsh", "cmd", "script", "eval", "system"),
    "to run a program: exec PROGRAM ...": ("run", "command", "program", "spawn", "process", "systemctl", "python3"),
    "to make a request: http GET URL": ("curl", "wget", "webhook", "url", "ping", "get", "post", "https", "request"),
    "to send a signal: signal NAME TARGET": ("kill", "notify"),
    "to log a message: log LEVEL MESSAGE": ("logger", "info", "warning"),
    "to print a message: print MESSAGE": ("echo", "say"),
    "to stop flagman: stop": ("exit", "quit", "terminate", "shutdown"),
}


def hint_for(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown action.

    :param known: the names of all actions
    """
    if any(map(str.isspace, name)):
        line = shown(*name.split())
        return f"; it is one word: write {line}, or one word after the option, as in --usr1='{line}'"
    module, colon, _ = name.partition(":")
    if colon and all(part.isidentifier() for part in module.split(".")):
        where = f"there is no module {module!r} on Python's search path, and no distribution of that name"
        return f"; {where}; for a file in this directory: flagman --pythonpath . ..."
    if "/" in name:
        return f"; to run a program: exec {shown(name)}"
    use = next((use for use, others in _MEANT.items() if name.lower() in others), "")
    return f"; {use}" if use else did_you_mean(name, known, otherwise="; flagman --list shows all actions")
