"""Tasks that people have for flagman, from beginning to end, in the words that they type."""

from __future__ import annotations

import datetime as dt
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from support import nginx
from support.driven import LIB, SCRIPT, run, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.background import Background
    from support.driven import Flagman

    Start = Callable[..., Flagman]

ROOT = Path(__file__).parents[2]
HUP, USR1, TERM = signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM
# A signal that comes just before the end of a run counts.
RERUN = ("--overlap", "rerun")


def served(port: int, authority: trustme.CA) -> bytes:
    """Return the certificate that a server shows now."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with (
        socket.create_connection(("localhost", port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        certificate = secure.getpeercert(binary_form=True)
    assert certificate
    return certificate


def renew(authority: trustme.CA, directory: Path, number: int) -> bytes:
    """Renew a certificate as certbot does: new files in ``archive``, then the links in ``live``, the key first."""
    certificate = authority.issue_cert("localhost")
    for name in ("privkey", "fullchain"):
        blob = certificate.private_key_pem if name == "privkey" else certificate.cert_chain_pems[0]
        file = directory / "archive" / f"{name}{number}.pem"
        blob.write_to_path(str(file))
        link = directory / "live" / f"{name}.pem"
        temporary = link.with_suffix(".new")
        temporary.symlink_to(f"../archive/{file.name}")
        temporary.replace(link)
    return ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())


def test_nginx_loads_a_renewed_certificate(start: Start, open_path: Path) -> None:
    """Nginx serves the new certificate; after a broken configuration it is not reloaded, and the log says why."""
    binary = nginx.program()
    authority = trustme.CA()
    for name in ("archive", "live"):
        (open_path / name).mkdir(mode=0o755)
    first = renew(authority, open_path, 1)
    _, port = nginx.unused_ports()
    live = open_path / "live"
    server = (
        f"listen 127.0.0.1:{port} ssl; ssl_certificate {live}/fullchain.pem; ssl_certificate_key {live}/privkey.pem;"
    )
    with nginx.serving(open_path, port, server):
        assert served(port, authority) == first
        words = ["-q", "-c", str(open_path / "nginx.conf"), "-e", str(open_path / "error.log")]
        watch = ["--on-file", f"{live}/fullchain.pem", "exec", binary]
        daemon = start("-v", "--on-error", "skip", *watch, "-t", *words, *watch, "-s", "reload", *words).ready()
        second = renew(authority, open_path, 2)
        wait_for(lambda: served(port, authority) == second)
        config = open_path / "nginx.conf"
        good = config.read_text(encoding="ascii")
        config.write_text("nonsense", encoding="ascii")
        renew(authority, open_path, 3)
        failure = daemon.expect_error(": failed after ")
        assert f"exec {binary} -t " in failure
        assert served(port, authority) == second
        config.write_text(good, encoding="ascii")
        fourth = renew(authority, open_path, 4)
        wait_for(lambda: served(port, authority) == fourth)
        daemon.stop()


class Hook(BaseHTTPRequestHandler):
    """Keeps the bodies of requests."""

    seen: list[bytes]

    def do_POST(self) -> None:
        """Keep the body."""
        self.seen.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def hook_at(port: int, seen: list[bytes]) -> Iterator[None]:
    """Serve until the end of the block."""
    server = HTTPServer(("127.0.0.1", port), type("Keeping", (Hook,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_whose_server_goes_away_and_comes_back(start: Start) -> None:
    """While the server is down each request fails in one line; when it is back, requests arrive again."""
    port, _ = nginx.unused_ports()
    seen: list[bytes] = []
    url = f"http://127.0.0.1:{port}/hook"
    daemon = start(
        "-v", *RERUN, "--usr1", "http", "POST", url, "header=Authorization: Bearer s3cr3t", "deployed"
    ).ready()
    with hook_at(port, seen):
        daemon.signal(USR1).expect_error(f"INFO:flagman.core:usr1: http POST {url} *** ***: succeeded in ")
    for _ in range(2):
        line = daemon.signal(USR1).expect_error(f"ERROR:flagman.core:usr1: http POST {url} *** ***: failed after ")
        assert line.endswith(" s: Connection refused")
    with hook_at(port, seen):
        line = daemon.signal(USR1).expect_error("succeeded in ")
    assert line.endswith(": 200 OK")
    daemon.stop()
    assert seen == [b"deployed", b"deployed"]
    assert "s3cr3t" not in "".join(daemon.err.rest())


def test_a_burst_of_hups(start: Start, tmp_path: Path) -> None:
    """After many HUPs, some during reloads, the last file holds, and the daemon is the same process."""
    path = tmp_path / "site.toml"

    def write(number: int) -> None:
        temporary = path.with_suffix(".new")
        text = f'[[on]]\nsignal = "USR1"\naction = "exec"\nargs = ["echo", "{number}"]\n'
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)

    write(0)
    daemon = start("-v", *RERUN, "-c", str(path)).ready()
    for number in range(1, 201):
        write(number)
        daemon.signal(HUP)
    daemon.signal(USR1)
    while daemon.out.next() != "200":
        daemon.signal(USR1)
    daemon.stop()
    reloads = sum("Reloaded: " in line for line in daemon.err.rest())
    assert 1 <= reloads <= 200


def test_a_file_that_is_changed_broken_and_mended(start: Start, tmp_path: Path) -> None:
    """--check, the log and the daemon agree about each state of the file."""
    path = tmp_path / "site.toml"
    good = '[[on]]\nsignal = "USR1"\naction = "print"\nargs = ["one"]\n'
    path.write_text(good, encoding="utf-8")
    daemon = start("-v", *RERUN, "-c", str(path)).ready().expect("init")
    path.write_text(good.replace("one", "two"), encoding="utf-8")
    daemon.signal(HUP).expect("init", "cleanup").signal(USR1).expect("two")
    path.write_text(good.replace("print", "prnit") + '[[on]]\nsignal = "USR3"\naction = "print"\n', encoding="utf-8")
    done = run("-c", str(path), "--check")
    mistakes = [line.removeprefix("flagman: error: ") for line in done.stderr.splitlines()]
    assert (done.returncode, len(mistakes)) == (2, 2)
    daemon.signal(HUP)
    for mistake in mistakes:
        assert daemon.expect_error("Reload failed, the old configuration stays: ").endswith(mistake)
    daemon.signal(USR1).expect("two")
    path.write_text(good.replace("one", "three"), encoding="utf-8")
    assert run("-c", str(path), "--check").stdout == "good: usr1 runs 1 action\n"
    daemon.signal(HUP).expect("init", "cleanup").signal(USR1).expect("three").stop("cleanup")


def examples(page: str, heading: str) -> list[str]:
    """Return the shell commands below a heading of the documentation."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = re.split(rf"\n{heading}\n-+\n", text)[1]
    section = re.split(r"\n[^\n]+\n-{3,}\n", section)[0]
    blocks = re.findall(r"\.\. code-block:: shell\n\n((?:   .*\n|\n)+)", section)
    return [textwrap.dedent(block).strip() for block in blocks]


@pytest.mark.parametrize("form", ["time", "json"])
def test_the_last_hour_of_a_log(start: Start, tmp_path: Path, form: str) -> None:
    """The commands of the documentation show what happened within the last hour, with the output of a failure."""
    log = tmp_path / "flagman.log"
    old = dt.datetime.now(dt.UTC).astimezone() - dt.timedelta(hours=2)
    if form == "time":
        log.write_text(f"{old.isoformat(timespec='milliseconds')} ERROR:x:long ago\n  its second line\n", "utf-8")
    else:
        log.write_text(
            f'{{"time": "{old.astimezone(dt.UTC).isoformat()}", "level": "ERROR", "message": "x"}}\n', "utf-8"
        )
    options = ["-v", "--log-file", str(log), "--log-format", form]
    daemon = start(*options, "--usr1", "sh", "echo the reason >&2; exit 3").ready().signal(USR1)
    wait_for(lambda: "exited with status 3" in log.read_text(encoding="utf-8"))
    daemon.stop()
    tool = "awk" if form == "time" else "jq"
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    (command,) = [each for each in examples("what-happened.rst", "The last hour") if each.startswith(tool)]
    shown = subprocess.run(
        ["sh", "-c", command.replace("/var/log/flagman.log", shlex.quote(str(log)))],
        capture_output=True,
        check=True,
        encoding="utf-8",
    ).stdout
    assert "failed after " in shown
    assert "the reason" in shown
    assert "long ago" not in shown
    assert "second line" not in shown
    assert shown.count("PID: ") == 1


def test_a_plugin_is_made_broken_and_mended(start: Start, tmp_path: Path) -> None:
    """Each way to break a plugin gives the reason, and its place where Python knows it; mended, the plugin runs."""
    package = tmp_path / "acme-purge"
    made = subprocess.run(
        [Path(SCRIPT[0]).with_name("flagmanctl"), "new", "acme-purge", "--directory", str(package)],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert "Next: cd " in made.stdout
    module = package / "src" / "acme_purge" / "__init__.py"
    good = module.read_text(encoding="utf-8")
    words = ["--pythonpath", str(package / "src"), "--usr1", "acme_purge:AcmePurgeAction", str(tmp_path / "runs")]
    module.write_text(good.replace("class ", "clas ", 1), encoding="utf-8")
    done = run(*words)
    assert done.returncode == 2
    assert "SyntaxError: invalid syntax (__init__.py, line " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" in run("-vv", *words).stderr
    module.write_text(good.replace("def run(", "def launch("), encoding="utf-8")
    done = run(*words)
    assert done.returncode == 2
    assert "run" in done.stderr
    module.write_text(f"{good}\n    def tear_down(self) -> None:\n        raise KeyError('x')\n", encoding="utf-8")
    daemon = start(*words).ready().signal(USR1)
    daemon.signal(TERM)
    assert daemon.status() == 1
    daemon.expect_error(": tear_down failed")
    daemon.expect_error("KeyError: 'x'")
    module.write_text(good, encoding="utf-8")
    daemon = start("-v", *words).ready().signal(USR1)
    daemon.expect_error(": succeeded in ")
    daemon.stop()


def test_logrotate_with_the_init_script(background: Background) -> None:
    """Debian's logrotate rotates the log of a daemon that the init script runs, and its script sends a signal."""
    binary = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        pytest.skip("logrotate is not installed")
    directory = background.directory
    directory.chmod(0o755)
    log, config, script = directory / "log", directory / "web.toml", directory / "init"
    config.write_text(
        '[flagman]\nverbose = 1\n[[on]]\nsignal = "USR1"\naction = "exec"\nargs = ["echo", "hi"]\n', "utf-8"
    )
    text = (ROOT / "src" / "flagman" / "cli" / "templates" / "init" / "lsb").read_text(encoding="utf-8")
    for name, value in (
        ("/run/$NAME.pid", background.pid_file),
        ("/etc/flagman/$NAME.toml", config),
        ("/var/log/$NAME.log", log),
    ):
        text = text.replace(name, str(value))
    script.write_text(text, encoding="utf-8")
    path = f"{Path(SCRIPT[0]).parent}:{os.environ['PATH']}"

    def call(*words: str) -> int:
        return background.run(*words, PATH=path).returncode

    assert call("sh", str(script), "start") == 0
    pid = background.pid()
    rotation = directory / "rotation"
    send = f"flagmanctl signal USR1 --pid-file {background.pid_file}"
    rotation.write_text(
        f"{log} {{\n  rotate 2\n  missingok\n  nodelaycompress\n  postrotate\n    {send}\n  endscript\n}}\n",
        encoding="utf-8",
    )
    rotation.chmod(0o644)
    for number in range(2):
        before = log.stat().st_ino
        assert call(binary, "--force", "--state", str(directory / "state"), str(rotation)) == 0
        wait_for(lambda before=before: log.exists() and log.stat().st_ino != before)  # type: ignore[misc]
        wait_for(lambda: "usr1: exec echo hi: succeeded" in log.read_text(encoding="utf-8"))
        assert (directory / "log.1").exists(), number
        assert background.pid() == pid
    assert call("sh", str(script), "stop") == 0


PROGRAM = """
import signal, sys
from flagman import Action, Engine

class Say(Action):
    secret_arguments = ("token",)
    def set_up(self, word, token=""):
        self.word = word
    def run(self):
        print(self.word, self.engine.settings.get("place", "nowhere"), flush=True)

with Engine(overlap="rerun") as engine:
    engine.provide({"place": "here"})
    engine.set_up("usr1", Say, "hello", "s3cr3t")
    engine.set_up("hup", Say, "again")
    engine.arm([signal.SIGUSR1, signal.SIGHUP])
    engine.observe(lambda turn: print(turn.trigger, turn.results[0].title, turn.results[0].ending, flush=True))
    engine.call_later(0, lambda: print("ready", flush=True))
    signal.signal(signal.SIGTERM, lambda *_: engine.stop())
    print(engine.run().value, flush=True)
"""


def test_a_program_that_embeds_the_engine(tmp_path: Path) -> None:
    """A program runs actions at signals, sees the result of each turn, and gets its own handlers back."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(LIB)}
    with subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, encoding="utf-8", env=environment
    ) as one:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
        for signum, lines in (
            (USR1, ["hello here", "usr1 Say hello *** succeeded"]),
            (HUP, ["again here", "hup Say again succeeded"]),
        ):
            one.send_signal(signum)
            assert [one.stdout.readline().rstrip() for _ in lines] == lines
        one.send_signal(TERM)
        assert one.stdout.readline() == "stopped\n"
    assert one.returncode == 0


def test_a_backup_that_reports_only_what_has_worked(start: Start, tmp_path: Path) -> None:
    """The last action of a bundle runs only if those before it have worked; directory and umask are the binding's."""
    port, _ = nginx.unused_ports()
    seen: list[bytes] = []
    config = tmp_path / "backup.toml"
    place = tmp_path / "place"
    config.write_text(
        f"""
        [flagman]
        on-error = "skip"
        [[on]]
        signal = "USR1"
        action = "sh"
        args = ["test ! -e broken && echo data > copy"]
        directory = "{place}"
        umask = "077"
        [[on]]
        signal = "USR1"
        action = "http"
        args = ["POST", "http://127.0.0.1:{port}/ping/s3cr3t", "done"]
        """,
        encoding="utf-8",
    )
    place.mkdir()
    daemon = start("-v", *RERUN, "-c", str(config)).ready()
    with hook_at(port, seen):
        daemon.signal(USR1).expect_error(": 200 OK")
        assert (place / "copy").stat().st_mode & 0o777 == 0o600
        (place / "broken").touch()
        daemon.signal(USR1).expect_error(" are left out because it failed")
        assert seen == [b"done"]
        (place / "broken").unlink()
        daemon.signal(USR1).expect_error(": 200 OK")
    daemon.stop()
    assert seen == [b"done", b"done"]
