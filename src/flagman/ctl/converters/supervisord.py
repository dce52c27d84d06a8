"""The format of supervisord: an INI file; its sections ``[program:x]`` become processes."""

from __future__ import annotations

from pathlib import Path

from flagman.config.checks import is_name
from flagman.ctl.converters.document import Document
from flagman.ctl.converters.expansion import boolean, expand, number, pairs
from flagman.ctl.converters.ini import names_everywhere, sections_of
from flagman.ctl.converters.program import Program
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagman.ctl.converters.ini import Sections
    from flagman.ctl.converters.program import Names

_PRIORITY = 999
_LEVELS = {"warn": "warning", "trace": "debug", "blather": "debug"}
# Keys of [supervisord] that have no meaning for flagman, or are read elsewhere.
_QUIET = "nocleanup childlogdir silent identifier minprocs environment nodaemon logfile_backups logfile_maxbytes"
# Keys of [supervisord] that take the same values here.
_SAME = {"pidfile": "pid-file", "umask": "umask", "directory": "chdir"}
_INSTEAD = {"minfds": "where a process needs it, write limits = { nofile = N }"}
_NO_EVENTS = "bind an action to what happens: [[on]] with process, event and action"
_NO_SOCKET = "flagman opens no sockets for processes: let the program open it, or a unit of systemd"
# What becomes of other sections, by the begin of their names; empty for nothing that would be missed.
_OTHERS = {
    "eventlistener:": _NO_EVENTS,
    "fcgi-program:": _NO_SOCKET,
    "supervisorctl": "",
    "include": "",
    "rpcinterface:supervisor": "",
}


def convert(text: str, title: str, directory: str) -> Document:
    """Convert a file.

    :param text: its content
    :param title: its name, for messages
    :param directory: where it is
    :raises UsageError: if it is none of supervisord
    """
    document = Document(title)
    sections = sections_of(text, title, directory, document.flagman)
    converter = _Converter(document, sections, names_everywhere(directory))
    programs = converter.programs()
    if not programs and not any(name.startswith(tuple(_OTHERS)) for name in sections if ":" in name):
        raise UsageError(f"{title}: is no file of supervisord: it has no section [program:NAME]")
    converter.head()
    _convert(document, programs)
    return document


def _convert(document: Document, programs: Iterable[tuple[tuple[int, int], Program]]) -> None:
    """Convert the programs, in the order in which supervisord starts them."""
    former: dict[tuple[int, int], list[str]] = {}
    for priority, program in sorted(programs, key=lambda pair: pair[0]):
        before = [names for each, names in former.items() if each < priority]
        for process in program.processes(document):
            former.setdefault(priority, []).append(process.name)
            if before:
                listed = ", ".join(f'"{name}"' for name in before[-1][:5])
                process.lose(
                    f"priority = {priority[1]}",
                    f"flagman starts all at the same time; if this one needs those before it, write after = [{listed}]",
                )


class _Converter:
    def __init__(self, document: Document, sections: Sections, names: Names) -> None:
        self._document = document
        self._sections = sections
        self._names = names
        self._own = sections.get("supervisord", {})
        #: What all processes get; they can be named, too.
        self._environment: dict[str, str] = {}
        text = self._own.get("environment", "")
        try:
            self._environment = pairs(expand(text, names))
        except ValueError as error:
            document.flagman.lose(f"environment = {text}", str(error))

    def programs(self) -> list[tuple[tuple[int, int], Program]]:
        """Return all programs, with the priorities of their groups and of themselves."""
        groups = self._groups()
        found = []
        for section, values in self._sections.items():
            kind, _, name = section.partition(":")
            if kind != "program":
                continue
            program = Program(name.strip(), values, self._names, self._environment)
            own = self._priority(section, values)
            group, first = groups.get(program.name, (program.name, own))
            program.group = group
            found.append(((first, own), program))
        return found

    def _groups(self) -> Mapping[str, tuple[str, int]]:
        """Return the group of each program that is in one, with its priority."""
        groups = {}
        for section, values in self._sections.items():
            kind, _, name = section.partition(":")
            if kind == "group":
                programs = [each.strip() for each in values.get("programs", "").split(",") if each.strip()]
                priority = self._priority(section, values)
                groups.update(dict.fromkeys(programs, (name.strip(), priority)))
                self._document.flagman.lose(
                    f"[{section}]", f"flagman has no groups; name its processes: {', '.join(programs)}"
                )
        return groups

    def _priority(self, section: str, values: Mapping[str, str]) -> int:
        text = values.get("priority", str(_PRIORITY))
        try:
            return number(text)
        except ValueError:
            self._document.flagman.lose(f"[{section}] priority = {text}", "it is no number")
            return _PRIORITY

    def head(self) -> None:
        """Convert what belongs to no program."""
        flagman = self._document.flagman
        flagman.set("keep-alive", value=True)  # supervisord stays
        if not self._is_on("nodaemon"):
            flagman.note("supervisord goes into the background; flagman does so with --daemon")
        for key, text in self._own.items():
            if key not in _QUIET.split():
                self._option(key, text)
        for section, values in self._sections.items():
            if section in ("unix_http_server", "inet_http_server"):
                self._server(section, values)
            elif section != "supervisord" and not section.startswith(("program:", "group:")):
                why = next((why for begin, why in _OTHERS.items() if section.startswith(begin)), "it is not known here")
                if why:
                    flagman.lose(f"[{section}]", why)

    def _is_on(self, key: str) -> bool:
        try:
            return boolean(self._own.get(key, "false"))
        except ValueError:
            return False

    def _option(self, key: str, text: str) -> None:
        flagman, told = self._document.flagman, f"{key} = {text}"
        names = {**self._names, **{f"ENV_{name}": each for name, each in self._environment.items()}}
        try:
            value = expand(text, names, is_known=True)
        except ValueError as error:
            flagman.lose(told, str(error))
            return
        if key == "logfile":
            self._log(value, told)
        elif key == "loglevel":
            flagman.set("log-level", _LEVELS.get(value.strip().lower(), value), told)
        elif key == "pidfile" and not is_name(Path(value).stem):
            flagman.lose(told, "flagman is called as this file is, and this is no name: rename the file")
        elif key in _SAME:
            flagman.set(_SAME[key], value, told)
        elif key == "user":
            if value not in ("root", "0"):
                flagman.lose(told, "start flagman as this user: with --user, or User= in its unit")
        elif key != "strip_ansi" or self._is_on(key):
            flagman.lose(told, _INSTEAD.get(key, "flagman has nothing like it"))

    def _log(self, path: str, told: str) -> None:
        flagman = self._document.flagman
        if path.startswith("/dev/") or path.lower() in ("none", "off", "syslog"):
            return
        flagman.set("log-file", path, told)
        size = self._own.get("logfile_maxbytes", "50MB, which is its default")
        if size != "0":
            flagman.lose(f"logfile_maxbytes = {size}", "flagman does not rotate files: let logrotate do that")

    def _server(self, section: str, values: Mapping[str, str]) -> None:
        flagman = self._document.flagman
        flagman.set("control", value=True)
        if section == "unix_http_server":
            flagman.note("flagmanctl asks through a socket of its own, and not through that of supervisorctl")
            if "chown" in values:
                flagman.lose(f"[{section}] chown = {values['chown']}", "write control-group = the name of the group")
        else:
            flagman.lose(
                f"[{section}] port = {values.get('port', '')}",
                "flagman is asked from this machine alone: with flagmanctl, or write"
                ' control = [true, "127.0.0.1:PORT"] and control-token = the path of a file with a token',
            )
