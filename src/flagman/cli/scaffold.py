"""A new plugin package, written from the templates that come with flagman."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from flagman.actions import BUILT_IN
from flagman.exceptions import UsageError
from flagman.systemd import unit_syntax
from flagman.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

_SUFFIX = ".tmpl"
_NAME = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 60
# Modules that the package itself uses, in case they are not installed here.
_TOOLS = {"conftest", "flagman", "iniconfig", "packaging", "pip", "pluggy", "pytest", "setuptools", "tests"}


def create(name: str, directory: Path) -> list[Path]:
    """Write the package; all of it, or nothing.

    :param name: of the distribution and of the action, such as ``acme-purge``
    :param directory: where to; it must be empty, and is created if it is not there
    :returns: the files, relative to the directory
    :raises UsageError: if the name cannot be used, or the directory is not empty
    :raises OSError: if a file cannot be written
    """
    words = _words(name)
    created = not directory.exists()
    if not created and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty, and nothing is overwritten")
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    try:
        for path, template in _templates(files("flagman.cli") / "templates" / "plugin"):
            target = Path(
                *(part.replace("module", words["module"]).replace("name.", f"{name}.") for part in path.parts)
            )
            (directory / target).parent.mkdir(parents=True, exist_ok=True)
            (directory / target).write_text(Template(template).substitute(words), encoding="utf-8")
            written.append(target)
    except BaseException:
        for entry in directory.iterdir():  # it was empty
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if created:
            directory.rmdir()
        raise
    return sorted(written)


def _words(name: str) -> dict[str, str]:
    """Return the words that the templates need for a package of this name.

    :raises UsageError: if no package can have this name
    """
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise UsageError(f"{name!r} is not a name such as acme-purge: use lower-case letters, digits and single dashes")
    if name in BUILT_IN:
        raise UsageError(f"{name!r} is the name of a built-in action")
    taken = keyword.iskeyword(module) or module in sys.stdlib_module_names or module in _TOOLS
    if taken or module.startswith("test_") or find_spec(module):
        raise UsageError(f"{name!r} would hide the Python module or keyword {module!r}")
    return {
        "name": name,
        "module": module,
        "class_name": "".join(part.capitalize() for part in name.split("-")) + "Action",
        "version": __version__,
        "underline": "=" * len(name),
        "program": unit_syntax.command([str(Path(sys.executable).absolute()), "-P", "-m", "flagman"]),
    }


def _templates(folder: Traversable, path: Path = Path()) -> Iterator[tuple[Path, str]]:
    """Yield all templates below a folder: the paths of what they become, and their text."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _templates(entry, path / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield path / entry.name.removesuffix(_SUFFIX), entry.read_text(encoding="utf-8")
