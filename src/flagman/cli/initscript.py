"""Init scripts, from those that the documentation shows: for a package of its own, with its own flagman."""

from __future__ import annotations

import shlex
from importlib.resources import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

# What the scripts of the documentation have, where a package has something of its own.
_NAME = "web-hooks"
_PATHS = {
    "lsb": ("PATH=$PATH:/usr/local/bin:/opt/flagman/bin\n", "CONFIG=/etc/flagman/$NAME.toml"),
    "openrc": ('PATH="${PATH}:/usr/local/bin:/opt/flagman/bin"\n', "/etc/flagman/${RC_SVCNAME}.toml"),
}
_RUN = "flagman --daemon "


def script(kind: str, name: str, directory: Path) -> str:
    """Return the init script of a package that has its own environment in ``.venv``.

    :param kind: ``lsb`` or ``openrc``
    :param name: of the package and of the service
    :param directory: that of the package, where its configuration is, and where relative paths begin
    """
    text = (files("flagman.cli") / "templates" / "init" / kind).read_text(encoding="utf-8")
    path, config = _PATHS[kind]
    program = f"{shlex.quote(f'{directory}/.venv/bin/python')} -P -m flagman"
    functions = f'flagman() {{ {program} "$@"; }}\nflagmanctl() {{ {program}.ctl.command "$@"; }}\n'
    own = shlex.quote(f"{directory}/{name}.toml")
    if kind == "lsb":
        own = f"CONFIG={own}"
    elif own[0] == "'":  # within ${...:=...} and double quotes, a shell takes single ones as they are
        own = _escaped(f"{directory}/{name}.toml")
    place = shlex.quote(str(directory))
    for before, after in ((_NAME, name), (path, functions), (config, own), (_RUN, f"{_RUN}--chdir {place} ")):
        if before not in text:
            raise AssertionError(f"the init script {kind} has changed: it lacks {before!r}")
        text = text.replace(before, after)
    return text


def _escaped(word: str) -> str:
    """Return a word with a backslash before all that a shell expands between double quotes."""
    return "".join(f"\\{each}" if each in '\\"$`}' else each for each in word)
