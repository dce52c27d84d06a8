"""Requests about the state: over one connection, and by the command that a user types."""

from __future__ import annotations

import http.client
import socket
import time
import xmlrpc.client
from typing import TYPE_CHECKING

from bench import targets
from bench.measures.kept import supervisors
from bench.running import NotReadyError, Running, Target
from bench.tables import Table
from bench.turns import take_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.effort import Effort

_PATIENCE = 60.0
# The requests of each program, as rows of the table: method, path, and body.
_INFO = xmlrpc.client.dumps((), "supervisor.getAllProcessInfo")
_ASKED = {
    "flagman": {"flagman, GET /status": ("GET", "/status", ""), "flagman, GET /ready": ("GET", "/ready", "")},
    "supervisord": {"supervisord, getAllProcessInfo": ("POST", "/RPC2", _INFO)},
}
# What a user types, by program; {0} is its folder.
_TYPED = {
    "flagman": {
        "flagmanctl status": ["flagmanctl", "--control", "{0}/socket", "status"],
        "flagmanctl ps": ["flagmanctl", "--control", "{0}/socket", "ps"],
    },
    "supervisord": {"supervisorctl status": ["supervisorctl", "-c", "{0}/s.conf", "status"]},
    "circus": {"circusctl status": ["circusctl", "--endpoint", "ipc://{0}/e", "status"]},
    "s6-svscan": {"s6-svstat": ["s6-svstat", "{0}/scan/c0"]},
}


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def _with_socket(target: Target, children: int, do: Callable[[Running], None]) -> None:
    """Start a supervisor, and do something when all of its children run and it listens."""
    with Running(target, wait=False) as running:
        if len(running.records.some(children, _PATIENCE)) < children:
            raise NotReadyError(f"{target.name}: not all of {children} children were started in time.")
        end = time.monotonic() + _PATIENCE
        name = {"circus": "e"}.get(target.name, "socket")
        while target.name != "s6-svscan" and not (running.folder / name).exists() and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.3)
        do(running)


def requests(effort: Effort) -> Iterator[Table]:
    """Yield the times of a request over an open connection, with few and with many children."""
    numbers = effort.kept[:2]
    heads = [str(number) for number in numbers]
    table = Table("requests", "One request for the state, by processes", "ms", "supervisord, getAllProcessInfo", heads)
    table.notes += targets.absent("supervisord")
    for number in numbers:

        def ask(target: Target, number: int = number) -> None:
            def all_of_them(running: Running) -> None:
                for row, (method, path, body) in _ASKED[target.name].items():
                    connection = _Connection(str(running.folder / "socket"))
                    for turn in range(effort.requests + 2):
                        begin = time.perf_counter()
                        connection.request(method, path, body, {"Content-Type": "text/xml"} if body else {})
                        response = connection.getresponse()
                        response.read()
                        if response.status != http.HTTPStatus.OK:
                            raise NotReadyError(f"{row} was answered with {response.status}.")
                        if turn > 1:
                            table.add(row, (time.perf_counter() - begin) * 1e3, str(number))
                    connection.close()

            _with_socket(target, number, all_of_them)

        several = [target for target in supervisors(number) if target.name in _ASKED]
        take_turns(table, several, max(1, effort.rounds // 2), effort.longest, ask)
    yield table


def commands(effort: Effort) -> Iterator[Table]:
    """Yield the times of the commands that show the state, from exec to their end."""
    table = Table("commands", "One command that shows the state, of one process", "ms", "supervisorctl status")
    table.notes += targets.absent("supervisorctl", "circusctl", "s6-svstat")

    def type_them(target: Target) -> None:
        def all_of_them(running: Running) -> None:
            for row, words in _TYPED[target.name].items():
                path = targets.find(words[0]) or words[0]
                command = [path, *(word.format(running.folder) for word in words[1:])]
                for _ in range(max(1, effort.starts // 3)):
                    with Running(Target(row, command, "exit"), pinned=True) as done:
                        if done.status:
                            raise NotReadyError(f"{row} has failed.")
                        table.add(row, done.start_up * 1e3)

        _with_socket(target, 1, all_of_them)

    take_turns(table, supervisors(1), max(1, effort.rounds // 2), 2 * effort.longest, type_them)
    yield table
