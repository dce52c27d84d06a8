"""A section ``[program:x]`` of a supervisord.conf, and the processes that it stands for."""

from __future__ import annotations

from flagman.ctl.converters.expansion import MARK, boolean, command, expand, number, pairs, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeVar

    from flagman.ctl.converters.document import Document, Process

    T = TypeVar("T")

    #: What can be named, with what it stands for.
    Names = Mapping[str, str | int]

# Processes of one section.
_MOST = 1000
_KNOWN = (
    "command process_name numprocs numprocs_start priority autostart startsecs startretries autorestart exitcodes"
    " stopsignal stopwaitsecs stopasgroup killasgroup user redirect_stderr stdout_logfile stdout_logfile_maxbytes"
    " stdout_logfile_backups stdout_capture_maxbytes stdout_events_enabled stdout_syslog stderr_logfile"
    " stderr_logfile_maxbytes stderr_logfile_backups stderr_capture_maxbytes stderr_events_enabled stderr_syslog"
    " environment directory umask serverurl"
)
_EVENTS = ("stdout_events_enabled", "stderr_events_enabled", "stdout_capture_maxbytes", "stderr_capture_maxbytes")
_NO_FILE = ("none", "off")
_STREAMS = ("/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "/proc/self/fd/1", "/proc/self/fd/2")
_ROTATED = "50MB"


class Program:
    """A section.

    :param name: of the program
    :param values: its keys
    :param names: what every section may name
    :param environment: variables that all processes get
    """

    def __init__(self, name: str, values: Mapping[str, str], names: Names, environment: Mapping[str, str]) -> None:
        self.name = name
        #: The name of its group.
        self.group = name
        self._values = values
        self._names = names
        self._environment = environment

    def processes(self, document: Document) -> Iterator[Process]:
        """Add its processes to a document, and yield them."""
        many = first = 0
        mistake = ""
        try:
            many = number(self._values.get("numprocs", "1"))
            first = number(self._values.get("numprocs_start", "0"))
            if many > _MOST:
                mistake = f"more than {_MOST} processes"
        except ValueError:
            mistake = "it is no number"
        if mistake:
            document.flagman.lose(f"[program:{self.name}] numprocs", mistake)
            return
        for each in range(first, first + many):
            named: dict[str, str | int] = {
                **self._names,
                "program_name": self.name,
                "group_name": self.group,
                "process_num": each,
                "numprocs": many,
            }
            name, mistake = self.name, ""
            try:
                name = expand(self._values.get("process_name", "%(program_name)s"), named)
            except ValueError as error:
                mistake = str(error)
            process = document.add(name, otherwise=f"{self.group}-{name}")
            if mistake:
                process.lose(f"process_name = {self._values['process_name']}", mistake)
            _Keys(process, self._values, named, self._environment).convert()
            yield process


class _Keys:
    """Converts the keys of one process."""

    def __init__(self, process: Process, values: Mapping[str, str], names: Names, common: Mapping[str, str]) -> None:
        self._process = process
        self._values = values
        self._names = {**names, **_named(common)}
        self._common = common

    def convert(self) -> None:
        process = self._process
        variables = self._variables()
        self._names |= _named(variables)
        later = {name: value for name, value in variables.items() if MARK in value}
        self._command(later)
        known = {name: value for name, value in variables.items() if name not in later}
        if known:
            process.set("environment", known)
        for key in ("directory", "user", "umask"):
            if text := self._text(key):
                process.set(key, text, self._told(key))
        self._starts()
        self._stops()
        self._output()
        for key in self._values:
            if key not in _KNOWN.split():
                process.lose(self._told(key), "supervisord has no such key")
        for key in _EVENTS:
            if self._values.get(key, "0").lower() not in ("0", "false", "no", "off"):
                process.lose(self._told(key), "flagman makes no events of output")

    def _told(self, key: str) -> str:
        return f"{key} = {self._values.get(key, '')}"

    def _text(self, key: str, default: str = "") -> str:
        """Return an expanded value; the default if it cannot be used."""
        if key not in self._values:
            return default
        try:
            return expand(self._values[key], self._names, is_known=True).strip()
        except ValueError as error:
            self._process.lose(self._told(key), str(error))
            return default

    def _typed(self, key: str, default: T, read: Callable[[str], T]) -> T:
        text = self._text(key)
        try:
            return read(text) if text else default
        except ValueError as error:
            self._process.lose(self._told(key), str(error))
            return default

    def _switch(self, key: str, *, default: bool = False) -> bool:
        return self._typed(key, default, boolean)

    def _variables(self) -> dict[str, str]:
        """Return the variables that are set, but for those that are as they are in the environment of flagman."""
        variables = {**self._common}
        text = self._values.get("environment", "")
        try:
            variables |= pairs(expand(text, self._names))
        except ValueError as error:
            self._process.lose(self._told("environment"), str(error))
        return {name: value for name, value in variables.items() if value != f"{MARK}{name}{MARK}"}

    def _command(self, variables: Mapping[str, str]) -> None:
        text = self._values.get("command", "")
        usable = {name: value for name, value in variables.items() if name.isascii() and name.isidentifier()}
        for name in variables:
            if name not in usable:
                self._process.lose(f"environment: {name}", "it is not the name of a variable")
        try:
            words = command(expand(text, self._names), usable)
        except ValueError as error:
            self._process.lose(self._told("command"), str(error))
            return
        self._process.set("command", words, self._told("command"))

    def _starts(self) -> None:
        process = self._process
        if not self._switch("autostart", default=True):
            process.set("wanted", "down")
        seconds = self._typed("startsecs", 1, number)
        if seconds > 0:
            process.set("ready", {"type": "delay", "for": f"{seconds}s"}, self._told("startsecs"))
        if "startretries" in self._values:
            process.lose(
                self._told("startretries"),
                "flagman does not give up: it waits longer before each start, up to restart-max-delay",
            )
        restart = self._text("autorestart", "unexpected").lower()
        if restart == "unexpected":
            self._expected()
        else:
            try:
                process.set("restart", "always" if boolean(restart) else "never")
            except ValueError as error:
                process.lose(self._told("autorestart"), str(error))

    def _expected(self) -> None:
        """Name the exit statuses that are no failure."""
        codes = [code.strip() for code in self._text("exitcodes", "0").split(",")]
        if "0" not in codes:
            self._process.lose(self._told("exitcodes"), "0 is always a success")
        try:
            found = [number(code) for code in codes if code != "0"]
        except ValueError:
            self._process.lose(self._told("exitcodes"), "it is not a list of numbers")
            return
        if found:
            self._process.set("success-exit-status", found, self._told("exitcodes"))

    def _stops(self) -> None:
        process = self._process
        if text := self._text("stopsignal"):
            process.set("stop-signal", text, self._told("stopsignal"))
        if "stopwaitsecs" in self._values:
            process.set("graceful-time", f"{self._typed('stopwaitsecs', 10, number)}s", self._told("stopwaitsecs"))
        as_group = [self._switch(key) for key in ("stopasgroup", "killasgroup") if key in self._values]
        if as_group and not any(as_group):
            process.set("kill", "process")

    def _output(self) -> None:
        process = self._process
        stdout, stderr = self._text("stdout_logfile", "AUTO"), self._text("stderr_logfile", "AUTO")
        where = _output_of(stdout)
        if where == "log" and self._is_syslog("stdout"):
            process.note("it goes to the log of flagman, and with it to the journal or to syslog")
        process.set("output", where, self._told("stdout_logfile"))
        is_file = where not in ("log", "null", "inherit")
        rotated = self._typed("stdout_logfile_maxbytes", size(_ROTATED), size)
        if is_file and rotated:
            text = self._values.get("stdout_logfile_maxbytes", f"{_ROTATED}, which is its default")
            process.lose(f"stdout_logfile_maxbytes = {text}", "flagman does not rotate files: let logrotate do that")
        if self._switch("redirect_stderr"):
            return
        if "stderr_logfile" in self._values and _output_of(stderr) != where:
            process.lose(
                self._told("stderr_logfile"),
                "both outputs are one stream here; to part them, let a shell do that: exec COMMAND 2>>FILE",
            )
        elif is_file and stderr != stdout:
            process.note("standard error goes there, too")

    def _is_syslog(self, stream: str) -> bool:
        return self._text(f"{stream}_logfile").lower() == "syslog" or self._switch(f"{stream}_syslog")


def _named(variables: Mapping[str, str]) -> dict[str, str]:
    return {f"ENV_{name}": value for name, value in variables.items()}


def _output_of(text: str) -> str:
    """Return what the name of a log file of supervisord is for flagman."""
    if text.lower() in ("auto", "syslog", ""):
        return "log"
    if text.lower() in _NO_FILE or text == "/dev/null":
        return "null"
    if text in _STREAMS:
        return "inherit"
    return text if "/" in text else f"./{text}"
