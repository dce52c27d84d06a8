"""The command line of the daemon in a unit: the present one, made absolute, without the options that no unit has."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import site
import subprocess
import sys
from pathlib import Path

from flagman.actions.command import ExecAction, ShellAction
from flagman.config import places, values
from flagman.config.options import OPTIONS
from flagman.config.paths import working_directory
from flagman.config.values import Repeated
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flagman.config.binding import Binding
    from flagman.config.rows import Option
    from flagman.config.settings import Settings

# Where systemd looks for programs, see systemd.exec(5), Environment Variables in Spawned Processes.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
# Short options of Python: the first that takes a value ends the word, or takes the next one.
_SHORT = re.compile("-([^WXcm]*)([WXcm]?)(.*)", re.DOTALL)
_LONG = "--check-hash-based-pycs"
# Variables that decide which modules Python finds.
_FOUND_BY = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE")


class Command:
    """A command line, in two parts; options can be added in between.

    :param settings: all settings that hold
    :param given: the settings of the command line alone
    :param programs: more programs of the file, beside those of its bindings
    """

    def __init__(self, settings: Settings, given: Settings, programs: Iterable[str] = ()) -> None:
        self._settings = settings
        self._flagman = _flagman()
        #: Variables that decide which modules are found.
        self.environment = _environment()
        if "-m" in self._flagman:
            modules = [binding.action.__module__ for binding in settings.bindings]
            modules += [binding.name.partition(":")[0] for binding in settings.bindings if ":" in binding.name]
            packages = {"flagman", *(module.partition(".")[0] for module in modules)} & set(sys.modules)
            more = _absolute(settings.pythonpath) if settings.pythonpath else ""
            _add_places(self.environment, self._flagman[: self._flagman.index("-m")], packages, more)
        self._options: list[str] = []
        for option in OPTIONS:
            if vars(given).get(option.setting, "") != "" and option.is_in_unit:
                self._options += self._option(option, vars(given)[option.setting])
        self._bindings = [word for binding in given.bindings for word in self._binding(binding)]
        #: Programs that the file runs, and that systemd's PATH lacks.
        bindings = settings.bindings[: len(settings.bindings) - len(given.bindings)]  # the file's come first
        found = [*map(self._found, bindings), *map(self._other_path, programs)]
        self.lacking = list(dict.fromkeys(program for program in found if program is not None))

    def words(self, *more: str) -> list[str]:
        """Return the words of the command.

        :param more: options to be added
        """
        command = list(self._settings.command)
        if command:
            command[0] = self._other_path(command[0]) or command[0]
            command = [*[";"] * bool(self._bindings), "--", *command]
        return [*self._flagman, *more, *self._options, *self._bindings, *command]

    def _option(self, option: Option, value: object) -> list[str]:
        name = option.names[-1]
        if isinstance(option.kind, Repeated):
            return [name] * int(str(value))
        if isinstance(option.kind, values.Places) and isinstance(value, tuple):
            found = (places.placed(place, _absolute) for place in value)
            return [word for place in found for word in ([name] if place is True else [name, str(place)])]
        if not option.kind.takes_value or value is True:
            return [name]
        text = option.kind.write(value)
        if isinstance(option.kind, values.Path) and (self._settings.chroot is None or option.kind.is_outside):
            text = _absolute(text)
        return [f"{name}={text}"] if text.startswith("-") else [name, text]

    def _binding(self, binding: Binding) -> list[str]:
        arguments = list(binding.arguments)
        if (program := self._found(binding)) is not None:
            arguments[0] = program
        if arguments[:1] == ["--"]:
            arguments.insert(0, "--")  # the first one is dropped
        source = binding.source if self._settings.chroot is not None else binding.source.placed(_absolute)
        words = [*source.words(), binding.name, *arguments]
        if any(word.startswith(("-", ";")) or not word for word in words[1:]):
            return [
                f"{words[0]}={shlex.join(words[1:])}"
            ]  # or the argument would be taken for the end of the arguments
        return words

    def _found(self, binding: Binding) -> str | None:
        """Return the path of a binding's program if systemd would find another one by its name, or none."""
        is_program = issubclass(binding.action, ExecAction) and not issubclass(binding.action, ShellAction)
        if not is_program or "PATH" in self._settings.of(binding).environment:
            return None
        return self._other_path(binding.arguments[0])

    def _other_path(self, name: str) -> str | None:
        """Return the path of a program if systemd would find another one by its name, or none."""
        if self._settings.chroot is not None:
            return None
        ours, systemds = shutil.which(name), shutil.which(name, path=_PATH)
        if "/" in name or ours is None or (systemds is not None and Path(ours).samefile(systemds)):
            return None
        return _absolute(ours)


def system_program(name: str) -> str:
    """Return the path of a program that every system has."""
    return shutil.which(name, path=_PATH) or f"/usr/bin/{name}"


def _environment() -> dict[str, str]:
    if sys.flags.ignore_environment:
        return {}
    values = {name: os.environ[name] for name in _FOUND_BY if os.environ.get(name)}
    home = f"{site.getusersitepackages()}{os.sep}"
    if any(str(getattr(module, "__file__", "")).startswith(home) for module in list(sys.modules.values())):
        values.setdefault("PYTHONUSERBASE", site.getuserbase())  # the daemon may be another user
    return {
        name: os.pathsep.join(_absolute(place) for place in value.split(os.pathsep)) for name, value in values.items()
    }


def _add_places(environment: dict[str, str], python: list[str], packages: set[str], more: str) -> None:
    """Add to PYTHONPATH what only this interpreter finds, for example because a program has changed the search path.

    :param more: a directory that the unit's own option adds
    :raises UsageError: if that is not possible
    """
    ask = (
        "import sys; from importlib.util import find_spec; sys.path += filter(None, sys.argv[1:2]);"
        "print(*(n for n in sys.argv[2:] if find_spec(n) is None))"
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(  # noqa: S603 - no shell
        [*python, "-c", ask, more, *packages],
        capture_output=True,
        check=False,
        cwd="/",
        encoding="utf-8",
        env={**inherited, **environment},
    )
    missing = done.stdout.split()
    if "__main__" in packages or done.returncode or (missing and sys.flags.ignore_environment):
        what = "actions of the program that has called flagman" if "__main__" in packages else "flagman or its plugins"
        raise UsageError(f"a unit would not find {what}: they are not installed where {python[0]} looks for modules")
    for name in missing:
        module = sys.modules[name]
        package = [*getattr(module, "__path__", ())] or [str(module.__file__)]
        places = filter(None, (environment.get("PYTHONPATH"), _absolute(str(Path(package[0]).parent))))
        environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(places))


def directory() -> str:
    """Return the working directory.

    :raises UsageError: if it has been deleted
    """
    try:
        return working_directory()
    except OSError:
        raise UsageError("the current directory does not exist any more") from None


def _absolute(place: str) -> str:
    return os.path.join(directory(), place)  # noqa: PTH118 - without a look at what ".." means


def _flagman() -> list[str]:
    """Return the words that run this flagman again: a file that contains it, or the module.

    They never run a module in the working directory, because -P does not search it.
    """
    if not sys.executable:
        raise UsageError("Python does not know the path of its own program")
    python = _absolute(sys.executable)
    options = list(_interpreter_options())
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name == "__main__":  # an archive of zipapp, or a directory
        return [python, *options, _absolute(os.path.dirname(str(main.__file__)))]  # noqa: PTH120 - as above
    if not sys.flags.isolated:
        options += [] if "-P" in options else ["-P"]
        options += ["-s"] if sys.flags.no_user_site and "-s" not in options else []
    return [python, *options, "-m", "flagman"]


def _interpreter_options() -> Iterator[str]:
    """Yield the options of the Python that runs here, as they were given."""
    words = iter(sys.orig_argv[1:])
    for word in words:
        short = _SHORT.fullmatch(word)
        if short is None or word in ("-", "--"):
            return  # a file
        flags, option, value = ("", "X", "") if word == _LONG else short.groups()
        if option in ("c", "m"):
            if flags:
                yield f"-{flags}"
            return
        yield word
        if option and not value:
            yield next(words)
