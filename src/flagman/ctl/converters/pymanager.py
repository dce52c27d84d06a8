"""The format of pymanager: JSON, read as pymanager 0.2.0 reads it, and in the ways that its documentation has."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path

from flagman.ctl.converters.document import Document
from flagman.exceptions import UsageError
from flagman.text.spans import LONGEST, format_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagman.ctl.converters.document import Process

    Values = Mapping[str, object]

_PORT = 5001
# The keys of a process.
_KNOWN = ("executable", "arguments", "options", "verifier")
_OPTIONS = ("suppress_output", "redirect_output", "working_directory", "environment_file", "shell")
# The keys of the whole.
_WHOLE = ("modules", "http", "keep_alive", "graceful_time", "processes", "messages", "default_shell")
# Messages that flagman logs at the level info, and those that it always logs.
_AT_INFO = ("process.exit", "verifier.verbose")
_ALWAYS = ("verifier.fail",)
_HTTP, _EXITED = "http_verifier.HttpOkVerifier", "exited_verifier.ExitedVerifier"


def convert(text: str, title: str, directory: str) -> Document:
    """Convert a file.

    :param text: its content
    :param title: its name, for messages
    :param directory: where it is
    :raises UsageError: if it is none of pymanager
    """
    return _Converter(_read(text, title), title, directory).document


def _read(text: str, title: str) -> Values:
    try:
        whole: object = json.loads(text)
    except RecursionError:
        raise UsageError(f"{title}: is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{title}: is not JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except ValueError as error:  # a number with thousands of digits
        raise UsageError(f"{title}: is not JSON: {error}") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("processes"), dict):
        raise UsageError(f"{title}: is no file of pymanager: it has no object 'processes'")
    # Its documentation has hyphens in the text, and its code has underscores.
    return {key.replace("-", "_") if key in ("keep-alive", "graceful-time") else key: whole[key] for key in whole}


class _Converter:
    def __init__(self, whole: Values, title: str, directory: str) -> None:
        self.document = Document(title)
        self._directory = directory
        self._whole = whole
        self._graceful = self._head()
        shell = whole.get("default_shell")
        self._shell = shell if isinstance(shell, str) and shell else "/bin/sh"
        before: Process | None = None  # the last one that holds the next ones back
        processes = whole["processes"]
        for name, table in processes.items() if isinstance(processes, dict) else ():
            process = self.document.add(name)
            if before is not None:
                process.after = [before]
            if isinstance(table, dict):
                self._process(process, table)
            else:
                process.lose(repr(table), "it is no object")
            if process.is_whole and isinstance(table, dict) and "verifier" in table:
                before = process

    def _head(self) -> str:
        """Convert what belongs to no process; return the time that each has to end, empty for the usual one."""
        flagman, whole = self.document.flagman, self._whole
        if whole.get("keep_alive"):
            flagman.set("keep-alive", value=True)
        http = whole.get("http")
        if isinstance(http, dict) and http.get("enabled"):
            flagman.set("control", value=True)
            port = http.get("port", _PORT)
            flagman.lose(
                f"http.port {port}",
                "every user of this machine could stop all there; ask with flagmanctl, or write"
                f' control = [true, "127.0.0.1:{port}"] and control-token = the path of a file with a token',
            )
        messages = whole.get("messages")
        asked = messages if isinstance(messages, list) else []
        if any(each in _AT_INFO for each in asked):
            flagman.set("log-level", "info")
        for each in asked:
            if each not in (*_AT_INFO, *_ALWAYS):
                flagman.lose(f"messages: {each!r}", "there is no such message")
        self._modules()
        for key in whole:
            if key not in _WHOLE:
                flagman.lose(key, "pymanager has no such key")
        if "graceful_time" not in whole:
            return ""
        span = _span(whole["graceful_time"])
        if not span:
            flagman.lose(f"graceful_time {whole['graceful_time']!r}", "it is no number of seconds")
        return span

    def _modules(self) -> None:
        modules = self._whole.get("modules")
        for name, definition in modules.items() if isinstance(modules, dict) else ():
            classes = definition.get("verifiers") if isinstance(definition, dict) else None
            for each in classes if isinstance(classes, list) else ():
                if _kind(f"{name}.{each}") not in (_HTTP, _EXITED):
                    self.document.flagman.lose(
                        f"the verifier {name}.{each}",
                        "verifiers of flagman have another interface: see flagman.Verifier, and write ready where it"
                        " is used",
                    )

    def _process(self, process: Process, table: Values) -> None:
        executable, arguments = table.get("executable"), table.get("arguments")
        given = table.get("options", {})
        options = given if isinstance(given, dict) else {}
        if not isinstance(executable, str) or not executable:
            process.lose("executable", "it is missing, or no text" if not executable else "it is no text")
        elif not isinstance(arguments, list) or not all(isinstance(word, str) for word in arguments):
            process.lose("arguments", "they are no list of texts, which pymanager needs, too")
        else:
            process.set("command", self._command([executable, *arguments], options), "executable and arguments")
        process.set("restart", "never")
        if self._graceful:
            process.set("graceful-time", self._graceful)
        if not isinstance(given, dict):
            process.lose("options", "they are no object")
        self._output(process, options)
        directory = options.get("working_directory")
        if directory is not None:
            process.set("directory", directory, f"working_directory {directory!r}")
        for key in (*(key for key in table if key not in _KNOWN), *(key for key in options if key not in _OPTIONS)):
            process.lose(key, "pymanager has no such key")
        if "verifier" in table:
            _verifier(process, table["verifier"])

    def _command(self, words: list[str], options: Values) -> list[str]:
        """Return the command, in a shell if the options ask for one."""
        shell, file = options.get("shell", False), options.get("environment_file")
        path = shell if isinstance(shell, str) and shell else self._shell
        if isinstance(file, str) and file:
            if "working_directory" in options:  # pymanager reads it before it goes there
                file = str(Path(self._directory, file).absolute())
            place = shlex.quote(file if "/" in file else f"./{file}")
            if shell:
                return [path, "-c", f"set -a; . {place}; set +a; {' '.join(words)}"]
            return [path, "-c", f'set -a; . {place}; set +a; exec "$@"', Path(path).name, *words]
        return [path, "-c", " ".join(words)] if shell else words

    @staticmethod
    def _output(process: Process, options: Values) -> None:
        path = options.get("redirect_output")
        if isinstance(path, str) and path:
            process.set("output", path if "/" in path else f"./{path}", f"redirect_output {path!r}")
            process.note("pymanager empties the file of its output at each start; flagman appends to it")
        elif path is not None:
            process.lose(f"redirect_output {path!r}", "it is no path")
        if options.get("suppress_output"):
            if path is None:
                process.set("output", "null")
            else:
                process.lose("suppress_output", "it excludes redirect_output, as pymanager has it, too")


def _kind(name: object) -> str:
    """Return the last two parts of the name of a class: the package of the built-in ones has had several names."""
    return ".".join(name.split(".")[-2:]) if isinstance(name, str) else ""


def _verifier(process: Process, verifier: object) -> None:
    table = verifier if isinstance(verifier, dict) else {}
    name, arguments = table.get("type"), table.get("arguments", {})
    told = f"verifier {name}" if isinstance(name, str) else f"verifier {verifier!r}"
    if not isinstance(arguments, dict):
        process.lose(told, "its arguments are no object")
        return
    ready: dict[str, object] = {}
    known: tuple[str, ...]
    if _kind(name) == _EXITED:
        known = ("timeout", "expect_code")
        ready = {"type": "exited", "timeout": _span(arguments.get("timeout", 30))}
        if arguments.get("expect_code", 0) != 0:
            ready["status"] = arguments["expect_code"]
    elif _kind(name) == _HTTP:
        known = ("url", "timeout", "interval", "headers")
        ready = {"type": "http", "url": arguments.get("url"), "timeout": _span(arguments.get("timeout", 30))}
        if arguments.get("headers"):
            ready["headers"] = arguments["headers"]
        if arguments.get("interval", 1) != 1:
            ready["attempt-timeout"] = _span(arguments["interval"])
    else:
        process.lose(told, "its kind is not known: take a verifier of flagman, or write one, and write ready")
        return
    for key in arguments:
        if key not in known:
            process.lose(f"{told}: {key}", "pymanager has no such argument")
    headers = arguments.get("headers")
    if isinstance(headers, dict) and any(str(value).startswith("@") for value in headers.values()):
        process.lose(told, "a header begins with @, which is the path of a file for flagman: write ready with one")
        return
    process.set("ready", ready, told)


def _span(value: object) -> str:
    """Return seconds as a span; empty if they are none."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        return ""
    return format_span(seconds) if math.isfinite(seconds) and 0 <= seconds <= LONGEST else ""
