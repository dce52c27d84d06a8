"""The requests about processes: what is answered, when, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from flagman.service.request import Request
from flagman.service.request_error import RequestError
from flagman.supervise.launch.ring import Ring
from flagman.supervise.processes.routes import Routes
from support.keeping import GRACE, SLOW, Yard

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.supervise.launch.capture import Capture


class FakeCapture:
    """An output that comes when the test says so."""

    def __init__(self) -> None:
        self.ring = Ring()
        self.listeners: list[Callable[[], object]] = []
        self.is_closed = False

    def add(self, data: bytes) -> None:
        """Add what comes."""
        self.ring.add(data)
        self.tell()

    def tell(self) -> None:
        """Call those that listen."""
        for listener in tuple(self.listeners):
            listener()

    def end(self) -> None:
        """End a line that has begun."""

    def tail(self, lines: int, since: int) -> list[str]:
        """Return the last lines."""
        return self.ring.tail(lines, since)

    def close(self) -> None:
        """End it: nothing more comes."""
        self.is_closed = True
        self.tell()

    def read(self, since: int) -> tuple[int, bytes]:
        """Return the position, and what came after another one."""
        return self.ring.position, self.ring.read(since)

    def listen(self, code: Callable[[], object]) -> Callable[[], None]:
        """Call code when something comes."""
        self.listeners.append(code)
        return lambda: self.listeners.remove(code)


class Client:
    """Asks, and keeps the answers."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.routes = Routes(yard.together, yard.loop, yard.loop.clock)
        self.table = self.routes.table()
        self.answers: list[tuple[int, object]] = []

    def ask(self, method: str, path: str, body: object = None, uid: int | None = None, **query: str) -> Request:
        """Ask something; what is refused is an answer, too."""
        parts = path.split("/")
        name = parts[2] if len(parts) > 2 else ""
        route = "/".join(["NAME" if number == 2 else part for number, part in enumerate(parts)])
        values = {"NAME": name} if name else {}
        request = Request(values, query, body, lambda status, answer: self.answers.append((status, answer)), uid)
        try:
            self.table[method, route](request)
        except RequestError as error:
            self.answers.append((error.status, error.body))
        return request

    def answer(self) -> tuple[int, dict[str, object]]:
        """Return the only answer."""
        ((status, body),) = self.answers
        del self.answers[:]
        assert isinstance(body, dict)
        return status, body

    def now(self, method: str, path: str, body: object = None, **query: str) -> tuple[int, dict[str, object]]:
        """Return what is answered at once."""
        self.ask(method, path, body, None, **query)
        self.yard.loop.advance(0)
        return self.answer()

    def refused(self, method: str, path: str, body: object = None, **query: str) -> tuple[int, object, object]:
        """Return how a request is refused."""
        status, answer = self.now(method, path, body, **query)
        error = answer["error"]
        assert isinstance(error, dict)
        return status, error["code"], error["message"]


@pytest.fixture
def client() -> Client:
    """Return a client of two processes."""
    yard = Yard()
    yard.follow(yard.plan("db"), yard.plan("web", after=("db",), is_awaited=True))
    return Client(yard)


@pytest.fixture
def capture(client: Client, monkeypatch: pytest.MonkeyPatch) -> FakeCapture:
    """Return the output of web."""
    found = FakeCapture()
    monkeypatch.setattr(client.yard.together.outfit("web"), "_capture", cast("Capture", found))
    return found


def test_what_is_shown(client: Client) -> None:
    """All processes in the order of the file, or one of them."""
    status, answer = client.now("GET", "/processes")
    assert status == 200
    assert isinstance(answer["processes"], list)
    assert [each["name"] for each in answer["processes"]] == ["db", "web"]
    status, answer = client.now("GET", "/processes/web")
    assert (status, answer["name"], answer["state"]) == (200, "web", "starting")


def test_unknown_names(client: Client) -> None:
    """Each route refuses them, with names that are similar."""
    for method, path in client.table:
        if "NAME" in path:
            body = {"signal": "HUP"} if path.endswith("signal") else None
            status, answer = client.now(method, path.replace("NAME", "wep"), body)
            message = "there is no process 'wep'"
            expected = {"code": "no-such-process", "message": message, "did_you_mean": ["web"]}
            assert (status, answer) == (404, {"error": expected})


def test_what_does_not_belong_to_a_request(client: Client) -> None:
    """A query or a body that is not known is refused, and nothing happens."""
    number = len(client.yard.bodies)
    for method, path in (key for key in client.table if key[1].startswith("/processes")):
        status, code, _ = client.refused(method, path.replace("NAME", "web"), None, x="1")
        assert (status, code) == (400, "bad-request")
        if not path.endswith("signal"):
            status, code, _ = client.refused(method, path.replace("NAME", "web"), {"x": 1})
            assert (status, code) == (400, "bad-request")
    assert client.refused("POST", "/processes/web/stop", wait="soon")[:2] == (400, "bad-request")
    assert client.yard.states() == {"db": "ready", "web": "starting"}
    assert len(client.yard.bodies) == number


def test_a_wish_without_a_wait(client: Client) -> None:
    """It is answered at once, with its number and the user that has asked."""
    client.ask("POST", "/processes/web/restart", uid=1000)
    status, answer = client.answer()
    assert (status, answer["process"]) == (202, "web")
    wish = answer["wish"]
    assert isinstance(wish, dict)
    assert (wish["verb"], wish["by_uid"], wish["outcome"]) == ("restart", 1000, "")


def outcome(answer: dict[str, object]) -> object:
    """Return the outcome of a wish."""
    wish = answer["wish"]
    assert isinstance(wish, dict)
    return wish["outcome"]


def test_a_wish_with_a_wait(client: Client) -> None:
    """It is answered when its outcome is known, with the state, its reason and the last lines."""
    client.ask("POST", "/processes/web/start", wait="")
    client.yard.loop.advance(20)
    assert client.answers == []
    client.yard.answer("web")
    status, answer = client.answer()
    assert (status, answer["process"], answer["state"], answer["text"]) == (200, "web", "ready", "ready")
    assert (outcome(answer), answer["output"]) == ("reached", [])
    status, answer = client.now("POST", "/processes/web/start", wait="10s")
    assert (status, outcome(answer)) == (200, "reached")
    client.ask("POST", "/processes/web/restart", wait="")
    client.yard.loop.advance(0)
    client.yard.end("web", 3)
    status, answer = client.answer()
    assert (status, outcome(answer), answer["state"]) == (200, "failed", "backoff")
    assert str(answer["text"]).endswith("exited with 3 before it was ready")


def test_not_in_time(client: Client) -> None:
    """The whole chain is told."""
    client.yard.obeys["db"] = "never"
    client.ask("POST", "/processes/db/restart", wait="")
    client.yard.end("db", 0)
    client.yard.loop.advance(0)
    client.answer()
    client.ask("POST", "/processes/db/stop", wait="2s")
    client.yard.loop.advance(2)
    status, answer = client.answer()
    message = "stop has not been reached in time: db stopping, killed in 8 s"
    assert (status, answer) == (504, {"error": {"code": "not-in-time", "message": message}})
    client.yard.loop.advance(GRACE)
    assert client.answers == []


def test_a_later_wish(client: Client) -> None:
    """Each client is answered: by what its wish was superseded."""
    client.ask("POST", "/processes/web/start", wait="")
    client.ask("POST", "/processes/web/start", wait="")
    client.ask("POST", "/processes/web/stop", wait="")
    client.yard.loop.advance(0)
    outcomes = [outcome(answer) for _, answer in client.answers if isinstance(answer, dict)]
    stop = client.yard.together.by_name["web"].wish
    assert stop is not None
    assert outcomes == [f"superseded by {stop.text}"] * 2 + ["reached"]


def test_a_client_that_goes_away(client: Client) -> None:
    """Nothing is kept of its request; its wish stays."""
    request = client.ask("POST", "/processes/web/start", wait="1h")
    request.on_gone()
    client.yard.answer("web")
    assert client.answers == []
    client.yard.loop.advance(7200)
    assert client.answers == []
    assert client.yard.loop.due() is None


def test_requests_during_a_stop(client: Client) -> None:
    """Nothing can be started any more; a stop can be asked for, and at the end all are answered."""
    client.yard.body("web").obeys = "slow"
    client.yard.together.stop(insists=False)
    for verb in ("start", "restart"):
        assert client.refused("POST", f"/processes/web/{verb}") == (503, "stopping", "the daemon stops")
    client.ask("POST", "/processes/web/stop", wait="")
    client.ask("POST", "/processes/web/stop", wait="")
    assert client.answers == []
    client.yard.loop.advance(SLOW)
    assert [status for status, _ in client.answers] == [200, 200]
    del client.answers[:]
    other = Client(Yard())
    other.yard.follow(other.yard.plan("web", is_awaited=True))
    other.ask("POST", "/processes/web/start", wait="")
    other.routes.end()
    assert other.answer()[0] == 503
    other.yard.answer("web")
    assert other.answers == []


def test_what_was_removed(client: Client) -> None:
    """It may be stopped, and nothing else."""
    client.yard.obeys["web"] = "slow"
    client.yard.follow(client.yard.plan("db"), client.yard.plan("web"))
    client.yard.loop.advance(2 * SLOW)
    client.yard.follow(client.yard.plan("db"))
    for verb in ("start", "restart"):
        message = "'web' is being stopped, because it was removed"
        assert client.refused("POST", f"/processes/web/{verb}") == (404, "no-such-process", message)
    client.ask("POST", "/processes/web/stop", wait="")
    client.yard.loop.advance(SLOW)
    status, answer = client.answer()
    assert (status, outcome(answer), answer["state"]) == (200, "reached", "stopped")
    assert client.refused("GET", "/processes/web")[0] == 404


@pytest.mark.parametrize("body", [None, {}, [], "HUP", {"signal": 1}, {"signal": "1"}, {"signal": "HUP", "x": 1}])
def test_a_signal_without_a_name(client: Client, body: object) -> None:
    """The form of the body is told."""
    message = 'the body is not {"signal": NAME}, such as {"signal": "HUP"}'
    assert client.refused("POST", "/processes/web/signal", body) == (400, "bad-request", message)


def test_signals(client: Client) -> None:
    """They go to the leader, if there is one; those that no process can catch are refused."""
    body = client.yard.body("web")
    answer = {"process": "web", "pid": body.pid, "signal": "HUP"}
    assert client.now("POST", "/processes/web/signal", {"signal": "sighup"}) == (200, answer)
    assert body.signals == [1]
    refused = client.refused("POST", "/processes/web/signal", {"signal": "HUPP"})
    assert refused == (400, "bad-request", "'HUPP' is not a signal; did you mean 'HUP'?")
    for name in ("KILL", "STOP"):
        refused = client.refused("POST", "/processes/web/signal", {"signal": name})
        assert refused == (400, "bad-request", f"{name!r} cannot be caught")
    client.yard.together.ask("web", "stop")
    client.yard.loop.advance(0)
    refused = client.refused("POST", "/processes/web/signal", {"signal": "HUP"})
    assert refused == (409, "not-running", "web stopped: there is no process to signal")


def test_no_output(client: Client) -> None:
    """It says what to write to have one."""
    message = "the output of 'web' is not kept: write output = \"log\", or the path of a file"
    assert client.refused("GET", "/processes/web/output") == (409, "no-output", message)


def test_the_last_lines(client: Client, capture: FakeCapture) -> None:
    """Twenty, or as many as are asked for, with the position after them; a line that has begun is one, too."""
    for number in range(30):
        capture.add(b"%d\n" % number)
    status, answer = client.now("GET", "/processes/web/output")
    assert (status, answer["process"], answer["next"]) == (200, "web", 80)
    assert answer["lines"] == [str(number) for number in range(10, 30)]
    capture.add(b"\xff half")
    assert client.now("GET", "/processes/web/output", n="2")[1]["lines"] == ["29", "\\xff half"]
    assert client.now("GET", "/processes/web/output", n="0")[1] == {"process": "web", "lines": [], "next": 86}
    lines = client.now("GET", "/processes/web/output", n="1" + "0" * 17)[1]["lines"]
    assert isinstance(lines, list)
    assert len(lines) == 31
    for text in ("-1", "x", "", "1" * 19, "²"):
        refused = client.refused("GET", "/processes/web/output", n=text)
        assert refused == (400, "bad-request", f"n: {text!r} is not a number")


def test_what_follows(client: Client, capture: FakeCapture) -> None:
    """Whole lines after a position, as soon as there are some, or none when the time is over."""
    capture.add(b"one\ntw")
    answer = {"process": "web", "lines": ["one"], "next": 4}
    assert client.now("GET", "/processes/web/output", since="0") == (200, answer)
    assert client.now("GET", "/processes/web/output", since="4") == (200, {**answer, "lines": []})
    client.ask("GET", "/processes/web/output", since="4", wait="5s")
    capture.add(b"o")
    assert client.answers == []
    capture.add(b"\nthree\nf")
    assert client.answer() == (200, {"process": "web", "lines": ["two", "three"], "next": 14})
    client.ask("GET", "/processes/web/output", since="14", wait="5s")
    client.yard.loop.advance(5)
    assert client.answer() == (200, {"process": "web", "lines": [], "next": 14})
    assert capture.listeners == []
    client.ask("GET", "/processes/web/output", since="14", wait="").on_gone()
    assert capture.listeners == []


def test_what_was_lost(client: Client, capture: FakeCapture) -> None:
    """What came and went is counted; a position of a former output begins anew; a long line comes in parts."""
    capture.add(b"x" * 99_999 + b"\n")
    status, answer = client.now("GET", "/processes/web/output", since="10")
    assert (status, answer["lost"], answer["next"]) == (200, 100_000 - 65_536 - 10, 100_000)
    capture.add(b"y" * 40_000)
    status, answer = client.now("GET", "/processes/web/output", since="100000")
    assert (status, answer["lines"], answer["next"]) == (200, ["y" * 40_000], 140_000)
    other = FakeCapture()
    capture.ring = other.ring
    capture.add(b"new\n")
    answer = {"process": "web", "lines": ["new"], "next": 4}
    assert client.now("GET", "/processes/web/output", since="140000") == (200, answer)


def test_an_output_that_ends(client: Client, capture: FakeCapture) -> None:
    """What waits for more is answered, when there will be no more, and when the daemon stops."""
    client.ask("GET", "/processes/web/output", since="0", wait="")
    capture.close()
    assert client.answer() == (200, {"process": "web", "lines": [], "next": 0})
    capture.is_closed = False
    client.ask("GET", "/processes/web/output", since="0", wait="")
    client.routes.end()
    assert client.answer()[0] == 503
    assert client.refused("GET", "/processes/web/output", since="0", wait="")[0] == 503
    assert client.now("GET", "/processes/web/output", since="0")[0] == 200


def test_the_present_lines(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of processes that live, and of which a check says that they are not well."""
    process, found = client.yard.together.by_name["web"], FakeCapture()
    monkeypatch.setattr(client.yard.together.outfit("web"), "_capture", cast("Capture", found))
    found.add(b"one\ntwo \x1b[31m")
    assert client.routes.present_lines() == {}
    monkeypatch.setattr(process, "state", "ready")
    process.illness = "refused"
    assert client.routes.present_lines() == {"web": ["one", "two \\x1b[31m"]}
    monkeypatch.setattr(client.yard.together.outfit("web"), "_capture", None)
    assert client.routes.present_lines() == {"web": []}
