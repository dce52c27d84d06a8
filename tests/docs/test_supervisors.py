"""The pages about coming from supervisors: examples that need programs, signals or requests run as they are shown."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from support.containers import Contained, needs_namespaces
from support.driven import DEADLINE, Flagman, Lines, clean_environment, wait_for
from support.unix import request
from support.verifying import free_port

from .test_examples import ROOT, blocks

PAGES = ROOT / "docs" / "migration"
# Where programs are looked for, flagman first.
SEARCHED = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
CTL = Path(sysconfig.get_path("scripts")) / "flagmanctl"

SERVER = """\
import sys
from http.server import HTTPServer, SimpleHTTPRequestHandler
assert sys.argv[1:] == ["-v", "-t"]
HTTPServer(("127.0.0.1", PORT), SimpleHTTPRequestHandler).serve_forever()
"""
LONG = "#!/bin/sh\nexec sleep 1000\n"
TELLS = "#!/bin/sh\ntrap 'echo NAME got TERM; exit' TERM\necho NAME up\nwhile :; do sleep 0.1; done\n"


def shown(page: str, name: str, language: str = "toml") -> str:
    """Return the block of a page that has this caption."""
    (text,) = (text for options, text in blocks(PAGES / page, language) if f":caption: {name}\n" in options)
    return text


def program(path: Path, text: str) -> None:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")
    path.chmod(0o755)


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_example_of_pymanager(tmp_path: Path) -> None:
    """Its program is verified over HTTP, is seen and restarted by requests, and ends with the last of them."""
    port = free_port()
    (tmp_path / "test.py").write_text(SERVER.replace("PORT", str(port)), encoding="ascii")
    text = shown("pymanager.rst", "pymanager.toml").replace(":8000/", f":{port}/")
    (tmp_path / "pymanager.toml").write_text(text.replace('"python3"', json.dumps(sys.executable)), encoding="utf-8")
    theirs = json.loads(shown("pymanager.rst", "pymanager.json", "json"))["processes"]["test"]
    table = tomllib.loads(shown("pymanager.rst", "pymanager.toml"))["process"]["test"]
    assert [theirs["executable"], *theirs["arguments"]] == table["command"]
    assert theirs["verifier"]["arguments"]["url"] == table["ready"]["url"]
    (commands,) = (text for _, text in blocks(PAGES / "pymanager.rst", "sh") if text.startswith("curl"))
    answers = []
    with Flagman(tmp_path, "--config", "pymanager.toml") as daemon:
        daemon.ready()
        for command in commands.strip().splitlines():
            done = subprocess.run(
                ["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, check=True, timeout=DEADLINE
            )
            answers.append(json.loads(done.stdout))
        assert daemon.status() == 0
    listed, gate, restarted, _ = answers
    assert [(each["name"], each["state"]) for each in listed["processes"]] == [("test", "ready")]
    assert gate["ready"] is True
    assert (restarted["wish"]["outcome"], restarted["state"]) == ("reached", "ready")


def test_the_file_of_pymanager_is_converted(tmp_path: Path) -> None:
    """What the verb makes of the file on the page keeps the same process."""
    (tmp_path / "pymanager.json").write_text(shown("pymanager.rst", "pymanager.json", "json"), encoding="utf-8")
    done = subprocess.run(
        [str(CTL), "convert", "pymanager.json"], cwd=tmp_path, capture_output=True, check=False, timeout=DEADLINE
    )
    assert done.returncode in {0, 1}, done.stderr  # 1 if a comment says what is different
    found = tomllib.loads(done.stdout.decode())
    expected = tomllib.loads(shown("pymanager.rst", "pymanager.toml"))
    assert found["flagman"]["keep-alive"] is expected["flagman"]["keep-alive"] is True
    ours, theirs = found["process"]["test"], expected["process"]["test"]
    assert (ours["command"], ours["restart"]) == (theirs["command"], theirs["restart"])
    assert {key: ours["ready"][key] for key in ("type", "url")} == theirs["ready"]


def test_a_verifier_of_an_installed_distribution(tmp_path: Path) -> None:
    """The distribution that a page shows is installed by pip, and its verifier is found by its name."""
    source, target = tmp_path / "source", tmp_path / "lib"
    source.mkdir()
    for name, language in (("marks.py", "python"), ("setup.cfg", "ini")):
        (source / name).write_text(shown("pymanager.rst", name, language), encoding="utf-8")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n', encoding="ascii"
    )
    options = ("--no-index", "--no-build-isolation", "--no-deps", "--quiet", "--target", str(target))
    environment = {**clean_environment(), "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, env=environment)
    text = shown("pymanager.rst", "marked.toml").replace("marks:Marked", "marked").replace('pythonpath = "."', "")
    (tmp_path / "marked.toml").write_text(text, encoding="utf-8")
    environment = {"PYTHONPATH": str(target)}
    with Flagman(tmp_path, "--config", "marked.toml", environment=environment) as daemon:
        daemon.ready().expect("first", "second").stop("")


@pytest.mark.parametrize("name", ["cat.toml", "servers.toml"])
def test_programs_of_supervisord(name: str, tmp_path: Path) -> None:
    """The programs run, with stand-ins for those that are not installed here, and end in their order."""
    text = shown("supervisord.rst", name).replace("/path/to", str(tmp_path / "bin"))
    text = text.replace('user = "chrism"\n', "").replace('for = "10s"', 'for = "0.1s"')
    names = list(tomllib.loads(text)["process"])
    for process, table in tomllib.loads(text)["process"].items():
        quits = LONG if table.get("stop-signal") == "INT" else TELLS.replace("NAME", process)
        program(Path(table["command"][0]), quits)
    (tmp_path / name).write_text(f'[flagman]\ncontrol = "./s.sock"\n{text}', encoding="utf-8")
    with Flagman(tmp_path, "--config", name) as daemon:
        daemon.ready()
        _, answer = request(tmp_path / "s.sock", "GET", "/processes")
        assert [(each["name"], each["state"]) for each in answer["processes"]] == [(each, "ready") for each in names]
        daemon.signal(signal.SIGTERM)
        lines = daemon.out.rest()
        assert daemon.status() == 0
    if name == "servers.toml":
        ends = [line.removesuffix(" got TERM") for line in lines if "got TERM" in line]
        assert {"zope1", "zope2"} <= set(ends[: ends.index("zeo")])


def test_a_listener_of_all_events(tmp_path: Path) -> None:
    """A process reads the events of the daemon that keeps it."""
    text = shown("supervisord.rst", "events.toml").replace("flagmanctl", str(CTL))
    (tmp_path / "events.toml").write_text(text, encoding="utf-8")
    control = tmp_path / "events.sock"
    log = tmp_path / "failures.log"
    killed = set()

    def is_told() -> bool:
        """Return whether a failure is told; each life of the process fails, until the listener listens."""
        _, web = request(control, "GET", "/processes/web")
        if web["state"] == "ready" and web["pid"] not in killed:
            killed.add(web["pid"])
            os.kill(web["pid"], signal.SIGKILL)
        elif web["state"] == "backoff":
            request(control, "POST", "/processes/web/start")
        return log.exists() and "\n" in log.read_text(encoding="utf-8")

    with Flagman(tmp_path, "--config", "events.toml") as daemon:
        daemon.ready()
        wait_for(is_told)
        told = json.loads(log.read_text(encoding="utf-8").splitlines()[0])
        assert (told["process"]["process"], told["process"]["status"]) == ("web", "SIGKILL")


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_script_with_flagman_in_its_first_line(tmp_path: Path, is_whole: bool) -> None:  # noqa: FBT001 - a parameter
    """The script of the page runs under flagman, and both of its servers get the signal that asks it to end."""
    text = shown("containers.rst", "servers", "sh")
    if not is_whole:
        text = text.replace(" --forward group", "")
    program(tmp_path / "servers", text)
    for name in ("my-web-server", "my-other-server"):
        program(tmp_path / name, TELLS.replace("NAME", name))
    environment = {"PATH": SEARCHED}
    with Flagman(tmp_path, command=[str(tmp_path / "servers")], environment=environment) as daemon:
        assert {daemon.out.next(), daemon.out.next()} == {"my-web-server up", "my-other-server up"}
        daemon.ready().signal(signal.SIGTERM)
        ends = {daemon.out.next(), daemon.out.next()}
        assert ends == {"my-web-server got TERM", "my-other-server got TERM"}
        assert daemon.status() == 128 + signal.SIGTERM


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_the_end_of_the_parent(tmp_path: Path) -> None:
    """With setpriv in front of it, flagman stops when its parent ends."""
    program(tmp_path / "my-web-server", TELLS.replace("NAME", "web"))
    program(tmp_path / "with-parent", shown("containers.rst", "with-parent", "sh"))
    parent = subprocess.Popen(
        ["/bin/sh", "-c", "./with-parent & read line"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**clean_environment(), "PATH": SEARCHED},
    )
    assert parent.stdout
    assert parent.stdin
    out = Lines(parent.stdout.fileno())
    assert out.next() == "web up"
    parent.stdin.close()
    parent.wait(DEADLINE)
    assert out.rest() == ["web got TERM"]
    parent.stdout.close()


@needs_namespaces
@pytest.mark.parametrize(
    ("options", "code", "status"),
    [((), "exit 1", 1), (("--success-exit-status", "143"), "kill -TERM $$", 0)],
)
def test_as_process_1(tmp_path: Path, options: tuple[str, ...], code: str, status: int) -> None:
    """The entry points of the page give the container the status of the command, or 0 in its place."""
    with Contained(tmp_path, *options, "--", "sh", "-c", code) as daemon:
        assert daemon.status() == status


@needs_namespaces
def test_another_stop_signal_as_process_1(tmp_path: Path) -> None:
    """The platform sends TERM, and the command gets QUIT."""
    code = "trap 'echo got QUIT; exit' QUIT; echo up; while :; do sleep 0.1; done"
    with Contained(tmp_path, "--stop-signal", "QUIT", "--", "sh", "-c", code) as daemon:
        daemon.ready().expect("up").signal(signal.SIGTERM).expect("got QUIT")
        assert daemon.status() == 0
