"""Restarts as clients of pymanager ask for them."""

from __future__ import annotations

import pytest

from flagman.service.request import Request
from flagman.supervise.processes.restarts import Restarts
from support.keeping import Yard

SHUTDOWN = {"success": False, "error": {"message": "Process is in shutdown."}}


class Client:
    """Asks, and keeps the answers."""

    def __init__(self) -> None:
        self.yard = Yard()
        self.yard.follow(self.yard.plan("db"), self.yard.plan("web", after=("db",), is_awaited=True))
        self.restarts = Restarts(self.yard.together, self.yard.loop, self.yard.loop.clock)
        self.answers: list[tuple[int, object]] = []

    def ask(self, asked: str) -> Request:
        """Ask for a restart, with a query and a body, which do not matter."""
        request = Request({"ID": asked}, {"x": "1"}, {"y": 2}, lambda *answer: self.answers.append(answer), 1000)
        self.restarts.ask(request)
        self.yard.loop.advance(0)
        return request

    def answer(self) -> tuple[int, object]:
        """Return the only answer."""
        (answer,) = self.answers
        self.answers.clear()
        return answer


@pytest.fixture
def client() -> Client:
    """Return a client of two processes."""
    return Client()


def data(client: Client, name: str, number: int) -> dict[str, object]:
    """Return what is told of a process that runs."""
    process = client.yard.together.by_name[name]
    command = " ".join(process.plan.command)
    return {"id": number, "command": command, "status": "running", "pid": client.yard.body(name).pid}


@pytest.mark.parametrize("asked", ["1", "01", "db"])
def test_a_restart(client: Client, asked: str) -> None:
    """It is named by its number or its name, and told as it is afterwards."""
    before = client.yard.body("db").pid
    client.ask(asked)
    assert client.answer() == (200, {"success": True, "process": data(client, "db", 1)})
    assert client.yard.body("db").pid != before


def test_it_is_answered_when_the_verifier_has_succeeded(client: Client) -> None:
    """As pymanager, which runs the verifier before it answers."""
    client.yard.answer("web")
    client.ask("2")
    assert client.answers == []
    client.yard.answer("web")
    client.yard.loop.advance(0)
    assert client.answer() == (200, {"success": True, "process": data(client, "web", 2)})


def test_it_fails(client: Client) -> None:
    """The process ends before it is ready, or something else is asked of it meanwhile."""
    client.ask("web")
    client.yard.end("web", 3)
    client.yard.loop.advance(0)
    message = "web in back-off (1): exited with 3 before it was ready"
    status, answer = client.answer()
    assert isinstance(answer, dict)
    assert (status, answer["success"]) == (500, False)
    assert answer["error"]["message"].endswith("exited with 3 before it was ready (failed)"), message
    client.ask("web")
    client.yard.together.by_name["web"].ask("stop")
    client.yard.loop.advance(0)
    status, answer = client.answer()
    assert (status, "superseded by stop" in str(answer)) == (500, True)


@pytest.mark.parametrize(
    ("asked", "status", "message"),
    [
        ("0", 404, "Process with id '0' not found."),
        ("3", 404, "Process with id '3' not found."),
        ("-1", 404, "Process with id '-1' not found."),
        ("9" * 5000, 404, f"Process with id '{'9' * 5000}' not found."),
        ("wep", 400, "Invalid ID 'wep'."),
        ("²", 400, "Invalid ID '²'."),
    ],
)
def test_there_is_none(client: Client, asked: str, status: int, message: str) -> None:
    """A number that there is not, and a word that is neither number nor name."""
    client.ask(asked)
    assert client.answer() == (status, {"success": False, "error": {"message": message}})


def test_a_name_that_is_a_number() -> None:
    """Numbers come first, as for pymanager, which knows no names."""
    client = Client()
    client.yard.follow(client.yard.plan("2"), client.yard.plan("7"))
    client.ask("2")
    assert client.answer() == (200, {"success": True, "process": data(client, "7", 2)})
    client.ask("7")
    assert client.answer() == (200, {"success": True, "process": data(client, "7", 2)})


def test_during_a_stop(client: Client) -> None:
    """Nothing is restarted any more, and what has waited is told so."""
    client.ask("web")
    client.yard.together.stop(insists=False)
    client.yard.loop.advance(0)
    assert client.answer() == (403, SHUTDOWN)
    client.ask("1")
    assert client.answer() == (403, SHUTDOWN)


def test_at_the_end(client: Client) -> None:
    """Nothing waits any longer, and a client that has gone gets no answer."""
    client.ask("web").on_gone()
    client.ask("db")
    client.yard.loop.advance(0)
    assert len(client.answers) == 1
    client.answers.clear()
    client.ask("web")
    client.restarts.end()
    assert client.answer() == (403, SHUTDOWN)
    client.ask("web")
    assert client.answer() == (403, SHUTDOWN)
