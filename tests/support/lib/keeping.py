"""A part for tests that stands in for what keeps processes, and a program that runs flagman with it.

``python -m keeping`` is flagman with this part, which a file requests with tables ``[process.NAME]``. It keeps no
process: it reports what it is sent on the socket ``keeper``, and prints what it is asked for.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flagman.actions import processes
from flagman.config.processes import check_names
from flagman.exceptions import ActionFailed
from flagman.service.parts import Part
from flagman.triggers import by_process

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flagman.config.settings import Settings
    from flagman.engine.action import Answer
    from flagman.service.parts import Site


class KeepingPart(Part):
    """Reports what a test tells it: each datagram is a process, an event, a status, a pid and a reason."""

    @staticmethod
    def _names(settings: Settings) -> Collection[str]:
        table = settings.tables["process"]
        assert isinstance(table, dict)
        return table.keys()

    @classmethod
    def check(cls, settings: Settings) -> None:
        """Refuse bindings that name other processes."""
        check_names(settings.bindings, cls._names(settings))

    def open(self, site: Site) -> None:
        """Bind the socket."""
        self._site = site
        self._heard = by_process.Heard(site.engine)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        Path("keeper").unlink(missing_ok=True)
        self._socket.bind("keeper")
        self._attachment = site.loop.attach(self._socket.fileno(), self._on_line)

    def follow(self, settings: Settings) -> None:
        """Note the names."""
        self._known = self._names(settings)

    def close(self) -> None:
        """Close the socket."""
        self._site.loop.release(self._attachment)
        self._socket.close()

    def requests(self) -> Mapping[str, Answer]:
        """Answer actions, and offer what has happened."""
        return {processes.REQUEST: self._answer, by_process.REQUEST: lambda _: self._heard}

    def _answer(self, words: tuple[str, ...]) -> str:
        if words[1] not in self._known:
            raise ActionFailed(f"there is no process {words[1]!r}")
        print(*words)
        return "wish #7"

    def _on_line(self, _events: int) -> None:
        data, client = self._socket.recvfrom(65536)
        process, event, status, pid, reason = data.decode().split(" ", 4)
        self._heard.happened(process, event, status=status, pid=int(pid), reason=reason)
        self._socket.sendto(b"reported", client)


if __name__ == "__main__":
    from flagman.__main__ import main
    from flagman.cli import parts

    sys.argv[0] = "flagman"
    parts.PARTS["process"] = "keeping:KeepingPart"
    sys.exit(main())
