"""The control interface of real daemons over TCP, and at several places at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.driven import DEADLINE, SCRIPT, Flagman, descriptors, run, wait_for
from support.over_tcp import HOSTS, TOKEN, has_ipv6
from support.serving import Client
from support.unix import activating, is_served, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.background import Background
    from support.serving import Answer

    Start = Callable[..., Flagman]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
PAGE = Path(__file__).parents[2] / "docs" / "control.rst"
USER, GROUP = 12345, 23456
BINDING = ("--usr1", "print", "hi")
ON = '[[on]]\nsignal = "USR1"\naction = "print"\nargs = ["hi"]\n'


@pytest.fixture(name="token")
def _token(tmp_path: Path) -> Path:
    """Return a file with the token, in the directory where daemons start."""
    path = tmp_path / "web.token"
    put(path, TOKEN)
    return path


def put(path: Path, token: str, mode: int = 0o600) -> None:
    """Put a token in its place, as a whole."""
    new = path.with_name("new.token")
    new.write_text(f"{token}\n", encoding="ascii")
    new.chmod(mode)
    new.rename(path)


def places(path: Path) -> list[str]:
    """Return where a daemon answers."""
    found: list[str] = request(path, "GET", "/status")[1]["controls"]
    return found


def ask(place: str, method: str = "GET", target: str = "/status", token: str = TOKEN) -> Answer:
    """Make a request of a daemon at an address."""
    client = Client(place, token)
    try:
        return client.ask(method, target)
    finally:
        client.close()


def is_open(place: str) -> bool:
    """Return whether a process listens at an address."""
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), DEADLINE).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("host", HOSTS)
def test_an_address_alone(start: Start, token: Path, host: str) -> None:
    """A daemon needs no Unix socket; it says where it listens, runs what is asked for, and is gone at the end."""
    daemon = start("-v", "--control", f"{host}:0", "--control-token", token.name, *BINDING)
    place = re.search(r"answered at (\S+)$", daemon.expect_error("Requests are answered at"))
    assert place
    daemon.ready().expect("init")
    shown = ask(place[1]).content
    assert isinstance(shown, dict)
    assert (shown["control"], shown["controls"]) == (None, [place[1]])
    answer = ask(place[1], "POST", "/flags/usr1?wait").content
    assert isinstance(answer, dict)
    assert answer["result"] == "succeeded"
    daemon.expect("hi")
    assert ask(place[1], "DELETE", "/?wait").content == {"state": "stopped"}
    daemon.expect("cleanup")
    assert daemon.status() == 0
    assert not is_open(place[1])


def test_several_places(start: Start, token: Path, open_path: Path) -> None:
    """Each place answers alike, the status names all of them, and no command inherits one."""
    one, two = open_path / "one.sock", open_path / "two.sock"
    hosts = ["127.0.0.1:0", *(["[::1]:0"] if has_ipv6() else [])]
    given = [word for each in (hosts[0], str(one), *hosts[1:], str(two)) for word in ("--control", each)]
    command = "for each in /proc/self/fd/*; do readlink $each; done | grep socket: ; echo done"
    # The next request may come before the command of the last one has ended.
    given += ["--overlap", "rerun"]
    daemon = start(*given, "--control-token", str(token), "--usr1", "sh", command).ready()
    shown = request(two, "GET", "/status")[1]
    assert shown["control"] == str(one)
    assert shown["controls"][:2] == [str(one), str(two)]
    addresses = shown["controls"][2:]
    assert [re.sub("[0-9]+$", "0", each) for each in addresses] == hosts
    for place in addresses:
        seen = ask(place).content
        assert isinstance(seen, dict)
        assert (seen["pid"], seen["controls"]) == (daemon.process.pid, shown["controls"])
        assert ask(place, token="").status == 401
        assert ask(place, "POST", "/flags/usr1").status == 202
        assert daemon.out.next() == "done"
    daemon.stop()
    assert not list(open_path.glob("*.sock*"))
    assert not any(map(is_open, addresses))


def test_the_places_of_the_file(start: Start, token: Path, tmp_path: Path) -> None:
    """The key of the file takes a list; the option replaces all of it."""
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "RUNTIME_DIRECTORY": None}
    listed = f'[flagman]\ncontrol = [true, "x.sock", "127.0.0.1:0"]\ncontrol-token = "{token.name}"\n{ON}'
    (tmp_path / "web.toml").write_text(listed, encoding="utf-8")
    daemon = start("--config", "web.toml", environment=environment).ready()
    usual, path, address = places(tmp_path / "x.sock")
    assert (usual, path) == (f"{tmp_path}/flagman/web.sock", f"{tmp_path}/x.sock")
    assert is_served(Path(usual))
    assert ask(address).status == 200
    daemon.stop("init", "cleanup")
    (tmp_path / "web.toml").write_text(ON, encoding="utf-8")
    words = ("--control", "y.sock", "--control", "127.0.0.1:0", "--control-token", token.name)
    start("--config", "web.toml", *words, environment=environment).ready()
    assert places(tmp_path / "y.sock")[0] == f"{tmp_path}/y.sock"
    assert not (tmp_path / "x.sock").exists()


def test_the_token_is_shown_nowhere(start: Start, token: Path, tmp_path: Path) -> None:
    """What flagman prints and logs has the path of the file at most."""
    put(token, TOKEN)
    words = ("--control", "x.sock", "--control", "127.0.0.1:0", "--control-token", token.name)
    for option in ("--check", "--print-config", "--print-unit"):
        done = run(option, *words, *BINDING, directory=str(tmp_path))
        assert done.returncode == 0
        assert TOKEN not in done.stdout + done.stderr
        assert option == "--check" or token.name in done.stdout
    (tmp_path / "web.toml").write_text(ON, encoding="utf-8")
    daemon = start("-vv", "--config", "web.toml", *words).ready().expect("init")
    path = tmp_path / "x.sock"
    for secret in ("x" * 20, TOKEN):
        ask(places(path)[1], token=secret)
    put(token, "y" * 20)
    assert request(path, "POST", "/reload")[0] == 200
    assert TOKEN not in json.dumps(request(path, "GET", "/status")[1])
    for secret in (TOKEN, "y" * 20):
        ask(places(path)[1], "POST", "/flags/usr1", token=secret)
    daemon.expect("hi").stop("cleanup")
    log = "\n".join(daemon.err.rest())
    assert "Requests are answered at" in log
    assert "The token of the control interface is another one" in log
    assert not [secret for secret in (TOKEN, "xxxx", "yyyy") if secret in log]


def test_a_new_token(start: Start, token: Path, tmp_path: Path) -> None:
    """A reload takes the new token; a file that is no good, or a reload that fails, leaves the former one."""
    words = ("--control", "x.sock", "--control", "127.0.0.1:0", "--control-token", token.name)
    config = tmp_path / "web.toml"
    config.write_text(ON, encoding="utf-8")
    daemon = start("--config", "web.toml", *words).ready().expect("init")
    place = places(tmp_path / "x.sock")[1]
    waiting = Client(place, TOKEN)
    assert waiting.ask("GET", "/status").status == 200
    put(token, "b" * 16)
    assert ask(place).status == 200, "not before the reload"
    assert ask(place, "POST", "/reload").status == 200
    assert ask(place).status == waiting.ask("GET", "/status").status == 401
    waiting.close()
    assert ask(place, token="b" * 16).status == 200

    put(token, "c" * 16, mode=0o644)
    assert ask(place, "POST", "/reload", token="b" * 16).status == 200
    told = daemon.expect_error("WARNING:flagman.control:--control-token: other users may read or write")
    assert told.endswith("; the former token stays")
    assert ask(place, token="c" * 16).status == 401
    assert ask(place, token="b" * 16).status == 200

    put(token, "d" * 16)
    config.write_text("wrong", encoding="utf-8")
    assert ask(place, "POST", "/reload", token="b" * 16).status == 409
    assert ask(place, token="d" * 16).status == 401
    config.write_text(ON, encoding="utf-8")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: ask(place, token="d" * 16).status == 200)
    daemon.stop("cleanup")


def test_an_address_in_use(start: Start, token: Path, tmp_path: Path) -> None:
    """A second daemon is told so in one line, with the status of what is in use, and has left nothing behind."""
    words = ("--control-token", token.name, "--control", "x.sock", "--control")
    daemon = start(*words, "127.0.0.1:0", *BINDING).ready()
    place = places(tmp_path / "x.sock")[1]
    done = run("--control", "y.sock", "--control", place, *words[:2], *BINDING, directory=str(tmp_path))
    assert done.returncode == 1
    said = f"flagman: error: control address {place}: is in use by another process; give another port"
    assert done.stderr.splitlines()[-1] == said
    assert not list(tmp_path.glob("y.sock*"))
    daemon.stop("init", "cleanup")
    start("--control", place, *words[:2], *BINDING).ready()  # at once, whatever the kernel remembers
    assert ask(place).status == 200


def test_strangers(start: Start, token: Path, tmp_path: Path) -> None:
    """Clients without the token, however many, keep neither others with it out nor those of the Unix socket."""
    daemon = start("--control", "x.sock", "--control", "127.0.0.1:0", "--control-token", token.name, *BINDING).ready()
    place = places(tmp_path / "x.sock")[1]
    strangers = []
    for number in range(200):
        strangers.append(Client(place).send(b"GET / HTTP/1.1\r\n" * (number % 2)))
        if number % 20 == 0:
            assert ask(place).status == 200
    assert request(tmp_path / "x.sock", "GET", "/ready")[0] == 200
    assert ask(place, "POST", "/flags/usr1?wait").status == 200
    for client in strangers:
        client.close()
    daemon.stop("init", "hi", "cleanup")


def test_a_reader_of_events_that_goes(start: Start, token: Path, tmp_path: Path) -> None:
    """The place of a reader that has gone becomes free at once, also if nothing ever happens."""
    daemon = start("--control", "x.sock", "--control", "127.0.0.1:0", "--control-token", token.name, *BINDING).ready()
    place = places(tmp_path / "x.sock")[1]

    def sockets() -> int:
        return sum(link.startswith("socket:") for link in descriptors(daemon.process.pid).values())

    before = sockets()
    for _ in range(3):
        reader = Client(place, TOKEN).request("GET", "/events")
        assert reader._file.readline() == b"HTTP/1.1 200 OK\r\n"
        while not reader._file.readline().startswith(b"data: "):
            pass
        assert sockets() == before + 1
        reader.close()
        wait_for(lambda: sockets() == before)
    daemon.stop("init", "cleanup")


def test_in_the_background(background: Background) -> None:
    """A relative path begins where the command was started; the sockets stay when it detaches."""
    put(background.directory / "web.token", TOKEN)
    path = background.directory / "x.sock"
    words = ("--control", str(path), "--control", "127.0.0.1:0", "--control-token", "web.token", *BINDING)
    done = background.start(*words)
    assert done.returncode == 0, done.stderr
    seen = ask(places(path)[1]).content
    assert isinstance(seen, dict)
    assert seen["pid"] == background.pid()
    background.stop()


@needs_root
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_another_user(background: Background, open_path: Path, mode: int) -> None:
    """Root reads the token at the start; at a reload the daemon's own user does, if it can."""
    open_path.chmod(0o755)
    path, token, config = open_path / "x.sock", open_path / "web.token", open_path / "web.toml"
    log = background.directory / "log"
    config.write_text(ON, encoding="utf-8")
    config.chmod(0o644)
    put(token, TOKEN, mode)
    os.chown(token, 0, GROUP)
    as_user = ("--user", str(USER), "--group", str(GROUP), "--log-file", str(log), "-v", "--config", str(config))
    done = background.start("--control", str(path), "--control", "127.0.0.1:0", "--control-token", str(token), *as_user)
    assert done.returncode == 0, done.stderr
    place = places(path)[1]
    assert ask(place).status == 200
    put(token, "b" * 16, mode)
    os.chown(token, 0, GROUP)
    assert ask(place, "POST", "/reload").status == 200
    is_new = mode == 0o640
    assert ask(place, token="b" * 16).status == (200 if is_new else 401)
    assert ask(place).status == (401 if is_new else 200)
    text = log.read_text(encoding="utf-8")
    assert ("Permission denied; the former token stays" in text) != is_new
    background.stop()


@needs_root
def test_another_root(background: Background, open_path: Path) -> None:
    """With --chroot the token is outside of the new root; a reload says that it stays, and reads no other file."""
    jail, path, token = background.directory / "jail", open_path / "x.sock", open_path / "web.token"
    (jail / str(open_path).lstrip("/")).mkdir(parents=True)
    (jail / "web.toml").write_text(ON, encoding="utf-8")
    put(token, TOKEN)
    put(jail / str(token).lstrip("/"), "b" * 16)
    words = ("--chroot", str(jail), "--log-file", "log", "--config", str(jail / "web.toml"))
    done = background.start("--control", str(path), "--control", "127.0.0.1:0", "--control-token", str(token), *words)
    assert done.returncode == 0, done.stderr
    place = places(path)[1]
    assert ask(place, "POST", "/reload").status == 200
    assert ask(place).status == 200
    assert "because its file is outside of --chroot" in (jail / "log").read_text(encoding="utf-8")
    background.stop()


def test_beside_the_socket_of_the_manager(start: Start, token: Path, tmp_path: Path) -> None:
    """A socket from systemd is the usual place; other places of the daemon's own go with it."""
    words = ("--control", "127.0.0.1:0", "--control-token", token.name, "--control", "own.sock")
    daemon = start("--control", *words, *BINDING, prefix=activating(tmp_path, "control:STREAM")).ready()
    found = places(tmp_path / "own.sock")
    assert found[:2] == [f"{tmp_path}/0.sock", f"{tmp_path}/own.sock"]
    assert places(tmp_path / "0.sock") == found
    assert ask(found[2]).status == 200
    daemon.stop("init", "cleanup")
    assert (tmp_path / "0.sock").exists()
    assert not (tmp_path / "own.sock").exists()


@pytest.mark.parametrize(
    ("controls", "told"),
    [
        (("", "0.sock"), "/0.sock' is given twice: the manager listens there"),
        (("a.sock", "b.sock"), "/0.sock', not at "),
    ],
)
def test_paths_that_the_manager_has_not(tmp_path: Path, controls: tuple[str, ...], told: str) -> None:
    """The socket of systemd has to be one of those that are wanted, and no two of them."""
    words = [word for each in controls for word in ("--control", each) if word]
    done = run(*words, *BINDING, command=[*activating(tmp_path, "a:STREAM"), *SCRIPT], directory=str(tmp_path))
    assert done.returncode == 2
    assert told in done.stderr.splitlines()[-1]


def test_the_example_in_python(start: Start, token: Path, tmp_path: Path) -> None:
    """The function that the page shows asks a daemon."""
    text = PAGE.read_text(encoding="utf-8").partition(".. _control-tcp:")[2].partition("code-block:: python\n")[2]
    lines = [line for line in text.partition("\nPrometheus")[0].splitlines() if not line or line.startswith("   ")]
    namespace: dict[str, Any] = {}
    exec("\n".join(line[3:] for line in lines), namespace)
    start("--control", "x.sock", "--control", "127.0.0.1:0", "--control-token", token.name, *BINDING).ready()
    shown = namespace["ask"]("/ready", places(tmp_path / "x.sock")[1], token)
    assert shown == {"ready": True, "reasons": []}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_example_with_curl(start: Start, token: Path, tmp_path: Path) -> None:
    """The documented way of asking with curl works, also for a request that changes something."""
    words = ("--control", "x.sock", "--control", "127.0.0.1:0", "--control-token", token.name)
    daemon = start(*words, "--hup", "print", "hi").ready().expect("init")
    text = PAGE.read_text(encoding="utf-8").partition(".. _control-tcp:")[2]
    examples = [each for each in re.findall(r"code-block:: sh\n\n((?:   .*\n)+)", text) if "curl" in each]
    script = examples[0].replace("127.0.0.1:9000", places(tmp_path / "x.sock")[1])
    done = subprocess.run(
        ["sh", "-euc", script], capture_output=True, encoding="utf-8", timeout=DEADLINE, check=True, cwd=tmp_path
    )
    shown, outcome = map(json.loads, done.stdout.splitlines())
    assert shown["pid"] == daemon.process.pid
    assert outcome["result"] == "succeeded"
    daemon.expect("hi")
