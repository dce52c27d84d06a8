"""A part for tests that answers on a socket from the control loop, and a program that runs flagman with it.

``python -m demo`` is flagman with this part, which a file requests with a table ``[demo]``.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flagman import Action
from flagman.exceptions import FlagmanError, UsageError
from flagman.service.parts import Part
from flagman.service.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from flagman.config.settings import Settings
    from flagman.engine.action import Answer
    from flagman.service.parts import Site

logger = logging.getLogger("demo")


class DemoPart(Part):
    """Serves lines on a Unix socket: each is a word and perhaps an argument, and is answered by a line of JSON."""

    @classmethod
    def read(cls, table: object) -> tuple[None, Iterable[str]]:
        """Accept a few keys."""
        if not isinstance(table, dict):
            return None, ["it is not a table"]
        return None, [
            f"key {key!r}: unknown" for key in table.keys() - {"socket", "slow", "forbidden", "broken", "quiet"}
        ]

    def open(self, site: Site) -> None:
        """Bind the socket."""
        self._site = site
        self._table = self._of(site.settings)
        if self._table.get("broken"):
            raise FlagmanError("the part is broken")
        self._is_ready = not self._table.get("slow")
        self._stops: list[bool] = []
        self._events: list[Mapping[str, object]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._table["socket"]))
        self._socket.settimeout(0)
        self._attachment = site.loop.attach(self._socket.fileno(), self._on_line)
        site.changes.listen(self._events.append)

    @staticmethod
    def _of(settings: Settings) -> dict[str, object]:
        table = settings.tables["demo"]
        assert isinstance(table, dict)
        return table

    @classmethod
    def check(cls, settings: Settings) -> None:
        """Refuse a file that says too much."""
        if cls._of(settings).get("broken") and cls._of(settings).get("slow"):
            raise UsageError("[demo]: it cannot be both")

    def accept(self, settings: Settings) -> None:
        """Refuse what cannot be followed."""
        if self._of(settings).get("forbidden"):
            raise UsageError("[demo]: this is forbidden")

    def follow(self, settings: Settings) -> None:
        """Note the table."""
        self._table = self._of(settings)

    def stop(self, *, insists: bool) -> None:
        """Note the request."""
        self._stops.append(insists)

    def close(self) -> None:
        """Log the stop requests, and close the socket."""
        if not self._table.get("quiet"):
            logger.warning("part closed, stops: %s", self._stops)
        self._site.loop.release(self._attachment)
        self._socket.close()

    def unready(self) -> Sequence[str]:
        """Return the reason to wait, until a line says that the part is ready."""
        return () if self._is_ready else ("the word",)

    def requests(self) -> Mapping[str, Answer]:
        """Offer an echo."""
        return {"echo": " ".join}

    def routes(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Serve one."""
        return {("GET", "/demo"): lambda request: request.reply(200, dict(request.query))}

    def snapshot(self) -> Mapping[str, object]:
        """Return all that the part knows."""
        return {"demo": {"table": self._table, "stops": self._stops, "events": self._events, "pid": os.getpid()}}

    def _on_line(self, _events: int) -> None:
        data, client = self._socket.recvfrom(65536)
        word, _, argument = data.decode().partition(" ")
        answer = self._answer(word, argument)
        self._socket.sendto(json.dumps(answer).encode(), client)

    def _answer(self, word: str, argument: str) -> object:
        answers: dict[str, Callable[[], object]] = {
            "status": self._site.snapshot,
            "raise": lambda: self._site.engine.raise_flag(argument),
            "log": lambda: self._log(int(argument), 500),
            "long": lambda: self._log(200, int(argument)),
            "ready": self._become_ready,
            "publish": lambda: self._site.changes.publish({"name": argument}),
            "fail": lambda: int(argument),
            "route": lambda: self._route(argument),
        }
        return answers[word]()

    @staticmethod
    def _log(records: int, size: int) -> None:
        for number in range(records):
            logger.warning("record %d %s", number, size * "x")

    def _become_ready(self) -> None:
        self._is_ready = True
        self._site.changes.report()

    def _route(self, argument: str) -> object:
        replies: list[object] = []
        request = Request({}, {"a": argument}, None, lambda *said: replies.append(said))
        self._site.routes()["GET", "/demo"](request)
        return replies


class Ask(Action):
    """Asks the part, and prints its answer."""

    def set_up(self, *words: str) -> None:
        """Keep the words."""
        if not self.engine.offers("echo"):
            raise UsageError("nothing here echoes")
        self._words = words

    def run(self) -> None:
        """Ask, and print the answer."""
        print(self.engine.ask("echo", *self._words))


class Fork(Action):
    """Forks, as an action should not while there is a second thread, and writes down where the child's sockets lead."""

    def run(self) -> None:
        """Write down the child's descriptors."""
        pid = os.fork()
        if pid == 0:
            links = []
            for entry in Path("/proc/self/fd").iterdir():
                with suppress(OSError):  # the descriptor of iterdir() itself
                    links.append(str(entry.readlink()))
            Path("links").write_text("\n".join(links), encoding="utf-8")
            os._exit(0)
        os.waitpid(pid, 0)
        print("forked")


if __name__ == "__main__":
    from flagman.__main__ import main
    from flagman.cli import parts

    sys.argv[0] = "flagman"
    parts.PARTS["demo"] = "demo:DemoPart"
    sys.exit(main())
