"""The control interface of real daemons, asked over real sockets, with flagmanctl and with curl."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.ctl import SCRIPT as CTL
from support.driven import DEADLINE, clean_environment, descriptors, flooded, settle, wait_for
from support.serving import Client
from support.unix import is_served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.driven import Flagman
    from support.serving import Answer

    Start = Callable[..., Flagman]

HUP, USR1, USR2, TERM = signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM

WITH_PART = (sys.executable, "-m", "demo")


class Controlled:
    """A daemon with a control socket, and what asks it.

    :param words: its command line
    """

    def __init__(self, start: Start, folder: Path, *words: str, ready: bool = True, **options: object) -> None:
        self.path = folder / "control.sock"
        self.daemon = start("--control", str(self.path), *words, **options)
        if ready:
            self.daemon.ready()
        else:
            wait_for(lambda: is_served(self.path))
        self._clients: list[Client] = []
        self._sockets = self._count_sockets()

    def client(self) -> Client:
        """Return a client that the daemon knows: it has had an answer."""
        client = Client(self.path)
        self._clients.append(client)
        assert client.ask("GET", "/status").status == 200
        return client

    def ask(self, method: str, target: str) -> Answer:
        """Make a request and return the answer, with a connection of its own."""
        client = Client(self.path)
        try:
            return client.ask(method, target)
        finally:
            client.close()

    def request(self, method: str, target: str) -> Client:
        """Make a request that waits; the daemon has it when this returns."""
        client = self.client()
        client.request(method, target)
        self.settle()
        return client

    def settle(self) -> None:
        """Wait until the daemon has read what was sent so far.

        One wait of its loop finds this request, and with it what was sent before; the next one comes after both.
        """
        other = Client(self.path)
        for _ in range(2):
            assert other.ask("GET", "/status").status == 200
        other.close()

    def expect_clients(self, number: int) -> None:
        """Wait until this number of clients is connected, and the daemon has read what they have sent."""
        wait_for(lambda: self._count_sockets() == self._sockets + number)
        self.settle()

    def _count_sockets(self) -> int:
        return sum(link.startswith("socket:") for link in descriptors(self.daemon.process.pid).values())

    def get(self, target: str = "/status") -> dict[str, Any]:
        """Return the JSON of a page."""
        answer = self.ask("GET", target)
        assert isinstance(answer.content, dict)
        return answer.content

    def flag(self, name: str = "usr1") -> dict[str, Any]:
        """Return what the status shows of a flag."""
        (flag,) = (flag for flag in self.get()["flags"] if flag["name"] == name)
        assert isinstance(flag, dict)
        return flag

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start flagmanctl."""
        return subprocess.Popen(
            [CTL, "--control", str(self.path), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=clean_environment(),
        )

    def ctl(self, *words: str) -> tuple[int, str, str]:
        """Run flagmanctl to its end."""
        return end(self.begin(*words))

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.close()


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end of a command, and return its exit status and what it has printed."""
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def outcome(client: Client) -> tuple[int, object, list[int]]:
    """Wait for an answer; return its status, the result or the code of the error, and the numbers of the runs."""
    answer = client.answer()
    assert isinstance(answer.content, dict)
    result = answer.content.get("result") or answer.content["error"]["code"]
    return answer.status, result, [run["id"] for run in answer.content.get("runs", ())]


@pytest.fixture(name="control")
def _control(start: Start, open_path: Path) -> Iterator[Callable[..., Controlled]]:
    """Yield a function that starts a daemon with a control socket."""
    all_: list[Controlled] = []

    def begin(*words: str, **options: object) -> Controlled:
        all_.append(Controlled(start, open_path, *words, **options))  # type: ignore[arg-type]
        return all_[-1]

    yield begin
    for each in all_:
        each.close()


class Opener:
    """Opens Gates, one run for each call.

    It keeps the FIFO open: with a writer for each line, a run that begins at once may find the end of another line.
    """

    def __init__(self, fifo: Path) -> None:
        self._descriptor = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)

    def __call__(self) -> None:
        """End one run."""
        os.write(self._descriptor, b"go\n")

    def close(self) -> None:
        """Close the FIFO."""
        os.close(self._descriptor)


@pytest.fixture(name="go")
def _go(fifo: Path) -> Iterator[Opener]:
    """Yield what opens Gates."""
    opener = Opener(fifo)
    yield opener
    opener.close()


@pytest.mark.parametrize(
    ("words", "result", "error", "exit_status"),
    [
        (("print", "hi"), "succeeded", None, 0),
        (("sh", "exit 3"), "failed", "sh: exited with status 3", 1),
        (("acts:Gate", "gate", "FIFO"), "timed-out", "acts:Gate: it took longer than the timeout of 0.05 s", 1),
        (("print_once", "hi"), "closed", None, 0),
    ],
)
def test_the_outcome(  # noqa: PLR0917 - three fixtures and what is expected
    control: Callable[..., Controlled],
    fifo: Path,
    words: tuple[str, ...],
    result: str,
    error: str | None,
    exit_status: int,
) -> None:
    """A request that waits is answered with the end of the run, whatever program makes it."""
    words = tuple(str(fifo) if word == "FIFO" else word for word in words)
    # Each closes its action at the most.
    all_ = [word for name in ("USR1", "USR2", "HUP") for word in ("--signal", name, *words, ";")]
    served = control("--timeout", "50ms", *all_, "--signal", "WINCH", "print", "stays")
    answer = served.ask("POST", "/flags/usr1?wait=1m")
    assert isinstance(answer.content, dict)
    assert (answer.status, answer.content["result"], answer.content["error"]) == (200, result, error)
    (run,) = answer.content["runs"]
    assert (run["flag"], run["result"], [action["result"] for action in run["actions"]]) == ("usr1", result, [result])
    again = served.ask("POST", "/flags/SIGUSR2?wait").content
    assert isinstance(again, dict)
    assert again["result"] == result
    status, out, err = served.ctl("trigger", "hup", "--wait", "1m")
    assert (status, err) == (exit_status, "")
    assert out.startswith(f"hup: {result}")
    assert [run["result"] for run in served.get("/history")["runs"]] == [result] * 3
    failures = int(result in {"failed", "timed-out"})
    flag = served.flag()
    assert (flag["runs"], flag["failures"], flag["failures_in_a_row"]) == (1, failures, failures)
    assert (flag["last"]["result"], flag["last"]["error"]) == (result, error)
    if result == "closed":
        refused = served.ask("POST", "/flags/usr1?wait")
        assert (refused.status, refused.code) == (409, "closed")
        assert served.ctl("trigger", "usr1") == (1, "", "flagmanctl: error: `usr1` has no actions any more\n")


def test_a_run_that_is_not_over_in_time(control: Callable[..., Controlled], fifo: Path, go: Opener) -> None:
    """A request that has waited long enough is answered, and the run goes on."""
    served = control("--usr1", "acts:Gate", "gate", str(fifo))
    status, _, err = served.ctl("trigger", "usr1", "--wait", "50ms")
    assert (status, err) == (124, "flagmanctl: error: the run for `usr1` has not ended within 50ms\n")
    served.daemon.expect("gate: init", "gate: begin")
    assert served.flag()["running"]
    go()
    served.daemon.expect("gate: end").stop("gate: cleanup")


def test_a_flag_that_is_held(control: Callable[..., Controlled]) -> None:
    """A request waits until the flag is quiet, as a signal does; the status says for how long."""
    served = control("--debounce", "1h", "--usr1", "print", "hi")
    served.daemon.expect("init").signal(USR1)
    wait_for(lambda: served.flag()["held"] == 1)
    assert served.ask("POST", "/flags/usr1").status == 202
    waits = served.request("POST", "/flags/usr1?wait")
    wait_for(lambda: served.flag()["held"] == 3)
    flag = served.flag()
    assert (flag["raised"], flag["runs"], flag["merged"], flag["running"]) == (3, 0, 0, False)
    assert 3000 < flag["next_due_in"] <= 3600
    assert served.ask("POST", "/flags/usr1?wait=10ms").status == 504
    served.daemon.signal(TERM)
    assert outcome(waits) == (503, "stopping", [])


def test_a_flag_that_becomes_quiet(control: Callable[..., Controlled]) -> None:
    """The outcome is that of the run that comes when the flag is quiet."""
    served = control("--debounce", "50ms", "--usr1", "print", "hi")
    assert served.ctl("trigger", "usr1", "--wait")[0] == 0
    served.daemon.expect("init", "hi")


@pytest.mark.parametrize("overlap", ["ignore", "rerun"])
def test_a_request_during_a_run(control: Callable[..., Controlled], fifo: Path, go: Opener, overlap: str) -> None:
    """A run in progress does not stand for a request that waits, whatever it means for signals."""
    served = control("--overlap", overlap, "--usr1", "acts:Gate", "gate", str(fifo))
    daemon = served.daemon.expect("gate: init").signal(USR1).expect("gate: begin")
    waits = [served.request("POST", "/flags/usr1?wait") for _ in range(3)]
    assert served.ask("POST", "/flags/usr1").status == 202
    go()
    daemon.expect("gate: end", "gate: begin")
    assert served.flag()["running"]
    go()
    assert [outcome(client) for client in waits] == [(200, "succeeded", [2])] * 3
    daemon.expect("gate: end").stop("gate: cleanup")


def test_a_request_restarts_a_run(control: Callable[..., Controlled], fifo: Path, go: Opener) -> None:
    """Where a signal makes the bundle begin anew, a request that waits does, too."""
    served = control("--overlap", "restart", "--usr1", "acts:Gate", "gate", str(fifo))
    daemon = served.daemon.expect("gate: init").signal(USR1).expect("gate: begin")
    first = served.request("POST", "/flags/usr1?wait")
    daemon.expect("gate: begin")
    second = served.request("POST", "/flags/usr1?wait")
    assert outcome(first) == (200, "interrupted", [2])
    daemon.expect("gate: begin")
    go()
    assert outcome(second) == (200, "succeeded", [3])
    daemon.expect("gate: end").stop("gate: cleanup")


def test_a_bundle_with_two_policies(control: Callable[..., Controlled], tmp_path: Path, fifo: Path, go: Opener) -> None:
    """A request that waits is owed a run of all actions, also if a signal is owed one of some of them."""
    bindings = (
        f'[[on]]\nsignal = "USR1"\naction = "acts:Gate"\nargs = ["gate", "{fifo}"]\n',
        '[[on]]\nsignal = "USR1"\naction = "print"\nargs = ["hi"]\noverlap = "rerun"\n',
    )
    (tmp_path / "flagman.toml").write_text("\n".join(bindings), encoding="utf-8")
    served = control("-c", "flagman.toml")
    daemon = served.daemon.expect("gate: init", "init").signal(USR1).expect("gate: begin")
    daemon.signal(USR1)
    settle(daemon.process.pid)
    waits = served.request("POST", "/flags/usr1?wait")
    go()
    daemon.expect("gate: end", "hi", "gate: begin")
    go()
    assert outcome(waits) == (200, "succeeded", [2])
    daemon.expect("gate: end", "hi")
    assert [action["result"] for action in served.get("/history")["runs"][1]["actions"]] == ["succeeded"] * 2


def test_a_stop_before_the_run(control: Callable[..., Controlled], fifo: Path, go: Opener) -> None:
    """A request for a run that does not come any more is told so at once; the run that goes on may end."""
    served = control("--usr1", "acts:Gate", "gate", str(fifo), "--usr2", "print", "never")
    daemon = served.daemon.expect("gate: init", "init").signal(USR1).expect("gate: begin")
    running = served.request("POST", "/flags/usr1?wait")
    other, late = served.request("POST", "/flags/usr2?wait"), served.client()
    daemon.signal(TERM)
    assert outcome(other) == outcome(running) == (503, "stopping", [])
    assert outcome(late.request("POST", "/flags/usr2")) == (503, "stopping", [])
    shown = served.get()
    assert (shown["state"], shown["ready"]) == ("stopping", False)
    assert served.ctl("ready") == (1, "not ready: stopping\n", "")
    go()
    daemon.expect("gate: end", "cleanup", "gate: cleanup")
    assert daemon.status() == 0


def test_a_stop_during_the_run(control: Callable[..., Controlled], fifo: Path, go: Opener) -> None:
    """A run that has begun before the stop is not cut off, and its outcome is told."""
    served = control("--usr1", "acts:Gate", "gate", str(fifo))
    waits = served.request("POST", "/flags/usr1?wait")
    daemon = served.daemon.expect("gate: init", "gate: begin").signal(TERM)
    wait_for(lambda: served.get()["state"] == "stopping")
    go()
    assert outcome(waits) == (200, "succeeded", [1])
    daemon.expect("gate: end", "gate: cleanup")
    assert daemon.status() == 0


def test_an_impatient_stop_during_the_run(control: Callable[..., Controlled], fifo: Path) -> None:
    """A run that is interrupted by the stop has this outcome."""
    served = control("--usr1", "acts:Gate", "gate", str(fifo))
    waits = served.request("POST", "/flags/usr1?wait")
    daemon = served.daemon.expect("gate: init", "gate: begin").signal(TERM)
    wait_for(lambda: served.get()["state"] == "stopping")
    daemon.signal(TERM)
    assert outcome(waits) == (200, "interrupted", [1])
    assert daemon.status() == 0


def test_a_hundred_requests(control: Callable[..., Controlled], fifo: Path, go: Opener) -> None:
    """One run answers a hundred requests, and each of them once."""
    served = control("--usr1", "acts:Gate", "gate", str(fifo))
    daemon = served.daemon.expect("gate: init").signal(USR1).expect("gate: begin")
    clients = [served.client() for _ in range(100)]
    for client in clients:
        client.request("POST", "/flags/usr1?wait=1m")
    served.settle()
    go()
    daemon.expect("gate: end", "gate: begin")
    go()
    assert [outcome(client) for client in clients] == [(200, "succeeded", [2])] * 100
    daemon.expect("gate: end")
    for client in clients:
        assert client.ask("GET", "/ready").status == 200  # and so nothing came in between
    flag = served.flag()
    assert (flag["raised"], flag["runs"], flag["merged"], flag["ignored"]) == (101, 2, 99, 0)
    daemon.stop("gate: cleanup")


def test_a_client_that_goes(control: Callable[..., Controlled], fifo: Path, go: Opener) -> None:
    """The run of a client that goes away comes all the same, and nothing of the client is left."""
    served = control("--usr1", "acts:Gate", "gate", str(fifo))
    daemon = served.daemon.expect("gate: init")
    daemon.signal(USR1).expect("gate: begin")
    process = served.begin("trigger", "usr1", "--wait")
    served.expect_clients(1)
    process.kill()
    end(process)
    client = served.request("POST", "/flags/usr1?wait")
    client.close()
    served.expect_clients(0)
    go()
    daemon.expect("gate: end", "gate: begin")
    go()
    daemon.expect("gate: end").stop("gate: cleanup")


def test_a_log_that_nobody_reads(control: Callable[..., Controlled]) -> None:
    """If the main loop waits for a reader of its log, requests are answered all the same."""
    served = control("--usr1", "acts:FailLoudly", "x" * 100_000, "--usr2", "print", "hi")
    daemon = served.daemon.signal(USR1)
    wait_for(lambda: served.flag()["running"])
    assert served.get()["state"] == "running"
    assert served.ask("POST", "/flags/usr2").status == 202
    assert served.ask("POST", "/flags/usr2?wait=10ms").status == 504
    for _ in range(100):
        assert served.ask("GET", "/history").status == 200
    assert served.ask("POST", "/flags/no").status == 404
    waits = served.request("POST", "/flags/usr1?wait")
    for _ in range(4):  # two of each run: the record, and its traceback
        daemon.expect_error("RuntimeError: xxx")
    assert outcome(waits)[:2] == (200, "failed")
    daemon.expect("init", "hi")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(control: Callable[..., Controlled]) -> None:
    """The documented way of asking with curl works, also for a request that changes something."""
    served = control("--usr1", "print", "hi")
    served.daemon.expect("init")

    def curl(*words: str) -> dict[str, Any]:
        command = ["curl", "-sS", "--unix-socket", str(served.path), *words]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=DEADLINE, check=True)
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    assert curl("-X", "POST", "http://localhost/flags/SIGUSR1?wait")["result"] == "succeeded"
    served.daemon.expect("hi")
    assert curl("http://localhost/status")["flags"][0]["runs"] == 1
    assert curl("-X", "DELETE", "http://localhost/?wait=1m") == {"state": "stopped"}
    served.daemon.expect("cleanup")
    assert served.daemon.status() == 0


def on(signal_: str, action: str, *arguments: str) -> str:
    """Return the text of a binding."""
    return f'[[on]]\nsignal = "{signal_}"\naction = "{action}"\nargs = {json.dumps(arguments)}\n'


def test_a_reload(control: Callable[..., Controlled], tmp_path: Path) -> None:
    """A reload says what it has kept, added and removed; or all that is wrong, and nothing changes."""
    path = tmp_path / "flagman.toml"
    path.write_text(on("USR1", "print", "kept") + on("USR2", "print", "old"), encoding="utf-8")
    served = control("-c", str(path))
    served.daemon.expect("init", "init")
    path.write_text(on("USR1", "print", "kept") + on("HUP", "print", "new"), encoding="utf-8")
    assert served.ask("POST", "/reload").content == {
        "kept": [{"flag": "usr1", "name": "print", "arguments": ["kept"]}],
        "added": [{"flag": "hup", "name": "print", "arguments": ["new"]}],
        "removed": [{"flag": "usr2", "name": "print", "arguments": ["old"]}],
    }
    served.daemon.expect("init", "cleanup")
    assert served.ask("POST", "/flags/usr2").status == 404
    mistakes = on("NO", "print", "x") + on("USR1", "nothing") + "[flagman]\nsize = 5\n"
    path.write_text(mistakes, encoding="utf-8")
    refused = served.ask("POST", "/reload?wait=1m")
    assert isinstance(refused.content, dict)
    assert (refused.status, refused.code) == (409, "reload-failed")
    assert len(refused.content["error"]["mistakes"]) == 3
    status, out, err = served.ctl("reload")
    assert (status, out, err.count("flagman.toml")) == (1, "", 3)
    config = served.get()["config"]
    assert (config["ok"], config["file"]) == (False, str(path))
    assert served.get("/ready") == {"ready": True, "reasons": []}
    assert served.ctl("trigger", "hup", "--wait")[0] == 0
    served.daemon.expect("new")


def test_a_reload_takes_time(control: Callable[..., Controlled], tmp_path: Path, fifo: Path, go: Opener) -> None:
    """While a reload sets an action up, the status says so, the daemon is ready, and requests are answered."""
    path = tmp_path / "flagman.toml"
    path.write_text(on("USR1", "print", "kept") + on("USR2", "print", "old"), encoding="utf-8")
    served = control("-c", str(path))
    served.daemon.expect("init", "init")
    path.write_text(on("USR1", "print", "kept") + on("HUP", "acts:SlowSetUp", "slow", str(fifo)), encoding="utf-8")
    reload_ = served.request("POST", "/reload")
    served.daemon.expect("slow: init", "slow: begin")
    shown, again = served.get(), served.get()
    assert (shown["state"], shown["ready"]) == ("reloading", True)
    assert shown["since"] == again["since"]
    assert served.ask("POST", "/reload?wait=10ms").status == 504
    kept, gone = (served.request("POST", f"/flags/{flag}?wait") for flag in ("usr1", "usr2"))
    assert served.ask("POST", "/flags/hup").status == 404
    go()
    served.daemon.expect("slow: end", "cleanup", "kept")
    assert reload_.answer().status == 200
    assert outcome(kept) == (200, "succeeded", [1])
    assert outcome(gone) == (409, "closed", [])
    assert served.get()["state"] == "idle"


def test_without_a_file(control: Callable[..., Controlled]) -> None:
    """Without a configuration file there is nothing to reload."""
    served = control("--usr1", "print", "hi")
    refused = served.ask("POST", "/reload")
    assert (refused.status, refused.code) == (409, "no-configuration")
    assert served.ctl("reload")[0] == 1


def test_the_stop(control: Callable[..., Controlled], fifo: Path, go: Opener) -> None:
    """A request stops the daemon gracefully; one that waits is answered when all has been torn down."""
    served = control("--usr1", "acts:Gate", "gate", str(fifo), "--usr2", "acts:SlowTearDown", "slow", str(fifo))
    daemon = served.daemon.expect("gate: init", "slow: init").signal(USR1).expect("gate: begin")
    shutdown = served.begin("shutdown", "--wait")
    wait_for(lambda: served.get()["state"] == "stopping")
    waits, timed = served.request("DELETE", "/?wait"), served.request("DELETE", "/?wait=10ms")
    assert outcome(timed) == (504, "not-in-time", [])
    answer = served.ask("DELETE", "/")  # a second one insists on nothing
    assert (answer.status, answer.content) == (202, {"state": "stopping"})
    go()
    daemon.expect("gate: end", "slow: begin")
    later = served.get()
    assert (later["state"], later["flags"][0]["last"]["result"]) == ("stopping", "succeeded")
    # The moment of the request, and not that of the end of the last run.
    assert later["since_ago"] >= later["flags"][0]["last"]["ended_ago"]
    go()
    answer = waits.answer()
    assert (answer.status, answer.content) == (200, {"state": "stopped"})
    daemon.expect("slow: end", "gate: cleanup", "")
    assert daemon.status() == 0
    assert end(shutdown) == (0, "stopped\n", "")
    assert not served.path.exists()
    assert served.ctl("status")[0] == 3


def test_a_part_that_is_slow(control: Callable[..., Controlled], tmp_path: Path) -> None:
    """A daemon is not ready as long as a part is not; requests that wait are answered then."""
    (tmp_path / "flagman.toml").write_text(
        '[demo]\nsocket = "demo.sock"\nslow = true\nquiet = true\n' + on("USR1", "print", "hi"), encoding="utf-8"
    )
    served = control("-c", "flagman.toml", command=WITH_PART, ready=False)
    daemon = served.daemon.expect("init")
    reasons = ["starting", "waiting: the word"]
    wait_for(lambda: served.get("/ready") == {"ready": False, "reasons": reasons})
    assert served.ctl("ready") == (1, "not ready: starting\nnot ready: waiting: the word\n", "")
    assert served.ctl("ready", "--wait", "10ms")[0] in {1, 124}
    waits = [served.request("GET", "/ready?wait"), served.request("GET", "/ready?wait=1m")]
    process = served.begin("ready", "--wait", "1m")
    shown = served.get()
    assert (shown["state"], shown["ready"], shown["since"]) == ("starting", False, shown["started"])
    assert served.ask("POST", "/flags/usr1?wait").status == 200  # actions run already
    daemon.expect("hi")
    subprocess.run(
        [sys.executable, "-c", _SAY, "ready"], cwd=tmp_path, timeout=DEADLINE, check=True, stdout=subprocess.DEVNULL
    )
    daemon.ready()
    assert [client.answer().content for client in waits] == [{"ready": True, "reasons": []}] * 2
    assert end(process)[0] == 0
    daemon.stop("cleanup")


def test_a_request_during_a_slow_set_up(control: Callable[..., Controlled], fifo: Path) -> None:
    """A request to raise a flag waits until the actions are set up, as a signal does."""
    served = control("--usr1", "acts:SlowSetUp", "slow", str(fifo), "--usr2", "print", "hi", ready=False)
    served.daemon.expect("slow: init", "slow: begin")
    waits = [served.request("POST", "/flags/usr2?wait"), served.request("POST", "/flags/usr3")]
    late = served.ask("POST", "/flags/usr2?wait=1ms")
    assert (late.status, late.code) == (504, "not-in-time")
    fifo.write_text("go on\n", encoding="utf-8")
    served.daemon.expect("slow: end", "init", "hi").ready()
    assert [client.answer().status for client in waits] == [200, 404]
    served.daemon.stop("cleanup", "slow: cleanup")


def test_a_stop_during_a_slow_set_up(control: Callable[..., Controlled], fifo: Path) -> None:
    """A request that waits for the actions is told of a stop."""
    served = control("--usr1", "acts:SlowSetUp", "slow", str(fifo), ready=False)
    served.daemon.expect("slow: init", "slow: begin")
    wait = served.request("POST", "/flags/usr1?wait")
    served.get("/ready")
    served.daemon.signal(signal.SIGTERM)
    assert (wait.answer().status, served.daemon.signal(signal.SIGTERM).status()) == (503, 0)


_SAY = """
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
    client.bind("")
    client.sendto(sys.argv[1].encode(), "demo.sock")
    client.recv(65536)
"""


def test_flags_with_odd_names(control: Callable[..., Controlled], tmp_path: Path) -> None:
    """A flag of a file has the name of the file, which may be anything, and each can be asked for."""
    names = [b"a b", b"two\nlines", b"\xff\xfe", b"~", b"100%25", b"\x1b[31m", "ü\u2028".encode(), b"?wait#x&"]
    paths = [os.fsencode(tmp_path) + b"/" + name for name in names]
    words = [word for path in paths for word in ("--on-file", os.fsdecode(path), "print", "hi", ";")]
    served = control(*words)
    served.daemon.expect(*["init"] * len(names))
    flags = [flag["name"] for flag in served.get()["flags"]]
    for number, (flag, path) in enumerate(zip(flags, paths, strict=True), 1):
        assert os.fsencode(flag) == b"file-" + path.replace(b"~", b"~~")
        quoted = "".join(f"%{byte:02x}" for byte in os.fsencode(flag))
        answer = served.ask("POST", f"/flags/{quoted}?wait")
        assert isinstance(answer.content, dict)
        assert (answer.status, answer.content["runs"][0]["flag"]) == (200, flag)
        status, out, err = served.ctl("trigger", flag, "--wait")
        assert (status, err, out.count("\n"), "\x1b" in out) == (0, "", 1, False)
        ids = [run["id"] for run in served.get(f"/history?flag={quoted}")["runs"]]
        assert ids == [2 * number - 1, 2 * number]
        served.daemon.expect("hi", "hi")
    status, out, err = served.ctl("status")
    assert (status, err, "\x1b" in out) == (0, "", False)


def test_nothing_secret_is_told(control: Callable[..., Controlled], tmp_path: Path) -> None:
    """Secret arguments, the environment and the settings of actions are in no answer and in no file."""
    http = ("POST", "http://127.0.0.1:9/", "secret-1")
    path = tmp_path / "flagman.toml"
    head = '[settings]\ntoken = "secret-2"\n[flagman]\nrunlog = "runs"\n'
    path.write_text(head + on("USR1", "http", *http) + on("USR2", "dump_status", "dump"), encoding="utf-8")
    served = control("-c", str(path), environment={"VARIABLE": "secret-3"})
    assert served.ask("POST", "/flags/usr1?wait").status == 200
    assert served.ask("POST", "/flags/usr2?wait").status == 200
    path.write_text(head + on("HUP", "http", *http) + on("USR2", "dump_status", "dump"), encoding="utf-8")
    answers = [served.ask("POST", "/reload").content]
    path.write_text(head + on("HUP", "http", "NO", *http[1:]), encoding="utf-8")
    answers += [served.ask("POST", "/reload").content, served.get(), served.get("/history")]
    texts = [json.dumps(answers), *((tmp_path / name).read_text(encoding="utf-8") for name in ("runs", "dump"))]
    assert all("***" in text for text in texts)
    for text in [*texts, served.ctl("status")[1], served.ctl("history")[1]]:
        assert "secret-" not in text


@pytest.mark.parametrize("overlap", ["ignore", "rerun", "restart"])
def test_a_storm(control: Callable[..., Controlled], overlap: str) -> None:
    """In a storm of signals each request gets one answer, and the counts never go back and agree in the end."""
    served = control("-v", "--overlap", overlap, "--usr1", "acts:Counter", "counter")
    answers: list[tuple[int, object, list[int]]] = []

    def ask() -> None:
        client = Client(served.path)
        answers.extend(outcome(client.request("POST", "/flags/usr1?wait")) for _ in range(50))
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    reader = threading.Thread(target=served.daemon.err.rest)
    seen: list[list[int]] = []
    names = ("raised", "runs", "merged", "ignored")
    with flooded(served.daemon, USR1):
        for thread in (reader, *threads):
            thread.start()
        while any(thread.is_alive() for thread in threads):
            flag = served.flag()
            seen.append([flag[name] for name in names])
    for thread in threads:
        thread.join()
    assert len(answers) == 200
    assert {status for status, _, _ in answers} == {200}
    assert {result for _, result, _ in answers} <= {"succeeded", "interrupted"}
    for counts in zip(*seen, strict=True):
        assert list(counts) == sorted(counts)
    settle(served.daemon.process.pid)
    flag = served.flag()
    assert flag["raised"] == flag["runs"] + flag["merged"] + flag["ignored"]
    served.daemon.signal(TERM)
    assert served.daemon.status() == 0
    reader.join()
