"""A flagman that keeps processes, asked over its control socket, for tests."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from support.driven import Flagman, end_all, marked, wait_for
from support.guards import state
from support.unix import is_served, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    Table = Mapping[str, object]
    Tables = Mapping[str, Table]

#: Runs for ever, and ends at any signal.
SLEEPS = ("sleep", "1000")
#: Tells its start, and TERM, at which it ends.
TELLS = """
import signal, sys
name, *words = sys.argv[1:]
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print(name, "up", *words, flush=True)
signal.sigwait({signal.SIGTERM})
print(name, "TERM", flush=True)
"""
#: Tells its start, and ignores TERM.
DEAF = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(sys.argv[1], "up", flush=True)
while True: signal.pause()
"""


def toml(value: object) -> str:
    """Return a value as a configuration file has it."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml(inner)}' for key, inner in value.items())} }}"
    return json.dumps(value)


def tables(processes: Tables) -> str:
    """Return the tables of processes, as a configuration file has them."""
    lines = []
    for name, keys in processes.items():
        lines += [f"[process.{name}]", *(f"{key} = {toml(value)}" for key, value in keys.items()), ""]
    return "\n".join(lines)


def python(code: str, *words: str) -> tuple[str, ...]:
    """Return a command that runs some code."""
    return (sys.executable, "-I", "-S", "-c", code, *words)


def shell(code: str) -> tuple[str, ...]:
    """Return a command that runs a line of the shell."""
    return ("sh", "-c", code)


def with_mark(mark: str, value: str) -> list[int]:
    """Return the processes that have a variable in their environment, but not those that are about to end."""
    wanted = f"{mark}={value}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                variables = (process / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in variables and state(int(process.name)):
                found.append(int(process.name))
    return found


class Kept(Flagman):
    """A flagman with processes; everything that carries its mark is killed in the end.

    :param processes: their tables
    :param text: what stands before the tables in the configuration file
    :param options: of :class:`support.driven.Flagman`
    """

    def __init__(self, directory: Path, processes: Tables, *arguments: str, text: str = "", **options: Any) -> None:  # noqa: ANN401 - as there
        self.directory = directory
        self.control = directory / "control.sock"
        self._text = text
        self.write(processes)
        environment = {
            "RUNTIME_DIRECTORY": str(directory / "run"),
            **marked(directory),
            **options.pop("environment", {}),
        }
        super().__init__(
            directory,
            *("--config", "flagman.toml", "--control", str(self.control), *arguments),
            environment=environment,
            **options,
        )

    def write(self, processes: Tables, text: str | None = None) -> None:
        """Write the configuration file."""
        self._text = self._text if text is None else text
        (self.directory / "flagman.toml").write_text(f"{self._text}\n{tables(processes)}", encoding="utf-8")

    def reload(self, processes: Tables, text: str | None = None) -> None:
        """Write the configuration file, and ask for a reload of it."""
        self.write(processes, text)
        self.signal(signal.SIGHUP)

    def served(self) -> Self:
        """Wait until the control socket is served."""
        wait_for(lambda: is_served(self.control))
        return self

    def shown(self, name: str) -> dict[str, Any]:
        """Return what is known of a process."""
        status, body = request(self.control, "GET", f"/processes/{name}")
        assert status == 200, body
        found: dict[str, Any] = body
        return found

    def all(self) -> dict[str, dict[str, Any]]:
        """Return what is known of all processes, by name."""
        _, body = request(self.control, "GET", "/processes")
        return {process["name"]: process for process in body["processes"]}

    def until(self, name: str, **wanted: object) -> dict[str, Any]:
        """Wait until values of a process are these, and return all of them."""
        found: dict[str, Any] = {}

        def fits() -> bool:
            found.update(self.all().get(name, {}))  # none are known before the first start
            return all(found.get(key) == value for key, value in wanted.items())

        try:
            wait_for(fits)
        except AssertionError:
            raise AssertionError(f"{wanted} is not reached: {found}") from None
        return found

    def pid(self, name: str) -> int:
        """Return the number of the leader of a process that runs."""
        pid = self.shown(name)["pid"]
        assert isinstance(pid, int)
        return pid

    def ask(self, verb: str, name: str) -> dict[str, Any]:
        """Ask something of a process; return the answer, which does not wait."""
        status, body = request(self.control, "POST", f"/processes/{name}/{verb}")
        assert status == 202, body
        found: dict[str, Any] = body
        return found

    def does(self, verb: str, name: str) -> dict[str, Any]:
        """Ask something of a process; wait, and return what has come of it."""
        status, body = request(self.control, "POST", f"/processes/{name}/{verb}?wait=60s")
        assert status == 200, body
        found: dict[str, Any] = body
        return found

    def logged(self, *parts: str) -> None:
        """Wait for lines on stderr that contain these parts, in this order."""
        for part in parts:
            self.expect_error(part)

    def left(self) -> list[int]:
        """Return the numbers of all processes that carry the mark of this test."""
        return with_mark(*next(iter(marked(self.directory).items())))

    def close(self) -> None:
        """Kill it, and all that it has started."""
        super().close()
        end_all(self.directory)
