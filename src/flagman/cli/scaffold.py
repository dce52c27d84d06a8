"""A new plugin package, written from the templates that come with flagman."""

from __future__ import annotations

import keyword
import os
import pwd
import re
import shlex
import shutil
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from flagman.actions import BUILT_IN
from flagman.cli import initscript, origin
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
# Directories that systemd replaces with empty ones for a dynamic user.
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - nothing is created there


def create(name: str, directory: Path, init: str = "lsb") -> list[Path]:
    """Write the package; all of it, or nothing.

    :param name: of the distribution and of the action, such as ``acme-purge``
    :param directory: where to; it must be empty, and is created if it is not there
    :param init: the kind of its init script: ``lsb`` or ``openrc``
    :returns: the files, relative to the directory
    :raises UsageError: if the name or the path of the directory cannot be used, or the directory is not empty
    :raises OSError: if a file cannot be written
    """
    words = _words(name)
    created = not directory.exists()
    if not created and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty, and nothing is overwritten")
    if os.pathsep in str(directory.resolve()):
        raise UsageError(f"{directory.resolve()} contains a colon, so no virtual environment can be created there")
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    try:
        words |= _words_of_unit(directory.resolve(), f"{name}.toml")
        for path, template in _templates(files("flagman.cli") / "templates" / "plugin"):
            target = Path(
                *(part.replace("module", words["module"]).replace("name.", f"{name}.") for part in path.parts)
            )
            (directory / target).parent.mkdir(parents=True, exist_ok=True)
            (directory / target).write_text(Template(template).substitute(words), encoding="utf-8")
            written.append(target)
        written.append(_write_init(name, directory, init))
    except BaseException:
        for entry in directory.iterdir():  # it was empty
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if created:
            directory.rmdir()
        raise
    return sorted(written)


def _write_init(name: str, directory: Path, kind: str) -> Path:
    target = Path(f"{name}.init")
    (directory / target).write_text(initscript.script(kind, name, directory.resolve()), encoding="utf-8")
    (directory / target).chmod(0o755 & ~_umask())
    return target


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def commands(name: str) -> list[str]:
    """Return the commands for the directory of a package: create its environment, install, test, run.

    The package gets an environment of its own, because that of this flagman may belong to pipx, to uv or to the system.
    Modules are run by the interpreter there: it needs no script, which a package of the system does not have there, and
    which pip cannot write for every path.

    :param name: that of the package
    """
    options = " --system-site-packages" if _is_of_system() else ""
    if find_spec("ensurepip") is None and shutil.which("uv"):  # Debian without python3-venv
        create = f"uv venv --seed --python {_python()}{options} .venv"
    else:
        create = f"{_python()} -m venv{options} .venv"
    flagman = () if _is_of_system() else origin.find().words
    return [
        create,
        shlex.join([".venv/bin/python", "-m", "pip", "install", *flagman, "-e", ".", "pytest"]),
        ".venv/bin/python -m pytest",
        f".venv/bin/python -m flagman --usr1 {name} runs",
    ]


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
        "commands": "\n   ".join(commands(name)),
    }


def _words_of_unit(directory: Path, file: str) -> dict[str, str]:
    """Return the words for the unit, which runs the package in its own environment.

    :raises UsageError: if a unit cannot hold the path of the directory
    """
    needed = [directory, Path(sys.executable).resolve()]
    if _is_of_system() or "-e" in origin.find().words:
        needed.append(Path(__file__).resolve())
    if all(map(_is_open, needed)):
        account = "DynamicUser=yes"
    else:
        account = f"# DynamicUser=yes could not read the package, its Python or flagman.\nUser={_user()}"
    program = [f"{directory}/.venv/bin/python", "-P", "-m", "flagman", "--config", f"{directory}/{file}"]
    return {"program": unit_syntax.command(program), "account": account}


def _is_open(path: Path) -> bool:
    """Return whether any user can read a file or a directory, also one that systemd has made up."""
    parents_open = all(parent.stat().st_mode & 0o001 for parent in path.parents)
    return parents_open and bool(path.stat().st_mode & 0o004) and not any(map(path.is_relative_to, _TEMPORARY))


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # in a container, for example
        return str(os.geteuid())


def _is_of_system() -> bool:
    """Return whether flagman is one of the packages of a system, and an environment can only share it.

    Those that conda builds have an origin, too, but it is not there.
    """
    words, path = origin.find()
    is_gone = path != "" and not os.access(path, os.R_OK)
    return sys.prefix == sys.base_prefix and (not words or is_gone)


def _python() -> str:
    """Return the command of this Python, for a shell."""
    found = shutil.which("python3")
    # A script that chooses a Python by the directory, such as that of pyenv, is none of them.
    is_this = found is not None and Path(found).resolve() == Path(sys.executable).resolve()
    return "python3" if is_this else shlex.quote(sys.executable)


def _templates(folder: Traversable, path: Path = Path()) -> Iterator[tuple[Path, str]]:
    """Yield all templates below a folder: the paths of what they become, and their text."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _templates(entry, path / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield path / entry.name.removesuffix(_SUFFIX), entry.read_text(encoding="utf-8")
