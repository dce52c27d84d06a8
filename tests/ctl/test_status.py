"""The verb status: its page, on terminals and in pipes, and its exit statuses."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import termios
from pathlib import Path
from time import monotonic
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.ctl import overview
from flagman.ctl.fields import Fields
from flagman.ctl.screen import Screen, width_of
from support.answers import PROCESSES, RUNS, WEB, action, flag, last, status, times
from support.ctl import ESCAPES, SCRIPT, VARIABLES, Ctl, on_screen
from support.driven import DEADLINE, Flagman, clean_environment
from support.fake_control import FakeControl, http, mistake

PAGE = """\
web: idle since MOMENT (5m12s ago)
  process  4711, flagman 1.0.0, started MOMENT (2d ago)
  config   /etc/flagman.toml, loaded MOMENT (2d ago)

TRIGGER                 ACTION                                                RUNS  FAILED  RESULT     LAST     NEXT IN
hup                     exec systemctl reload nginx                             12       3  failed     5m ago
                        print reloaded                                           9       0  succeeded  1d ago
usr1                    print a fun message                                      0       0  -          never
every-5m                http POST https://hc-ping.example.org/5f2a4c1e-alive   812       1  succeeded  12s ago  4m48s
file-/etc/nginx/conf.d  sh nginx -t && nginx -s reload                           2       0  running    for 4s

Errors of the last runs:
  hup: exec systemctl reload nginx: failed 5m ago, 2 times in a row
    exit status 1: nginx: [emerg] unknown directive "servr" in nginx.conf:12
"""
NARROW = """\
✗ web: idle since MOMENT (5m12s ago)
  process  4711, flagman 1.0.0, started MOMENT (2d ago)
  config   /etc/flagman.toml, loaded MOMENT (2d ago)

TRIGGER             ACTION             RUNS  FAILED  RESULT     LAST     NEXT IN
hup                 exec system…nginx    12       3  failed     5m ago
                    print reloaded        9       0  succeeded  1d ago
usr1                print a fun…ssage     0       0  -          never
every-5m            http POST h…alive   812       1  succeeded  12s ago  4m48s
file-/etc/n…conf.d  sh nginx -t…eload     2       0  running    for 4s

Errors of the last runs:
  hup: exec systemctl reload nginx: failed 5m ago, 2 times in a row
    exit status 1: nginx: [emerg] unknown directive "servr" in nginx.conf:12
"""


@pytest.fixture(name="ctl")
def _ctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(tmp_path, monkeypatch, capsys)


def without_moments(text: str) -> str:
    """Return a page without the times of its day, which depend on the time zone."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "MOMENT", text)


def test_the_page_in_a_pipe(ctl: Ctl) -> None:
    """In a pipe nothing is cut, and nothing has a color or a sign."""
    with FakeControl(ctl.path, {"GET /status": http(200, WEB)}) as daemon:
        done = ctl("status")
    assert (done.status, done.err) == (0, "")
    assert without_moments(done.out) == PAGE
    assert daemon.asked == ["GET /status"]


def test_the_page_on_a_terminal(ctl: Ctl) -> None:
    """On a terminal of 80 columns the page fits, and colors tell what is good and what is bad."""
    with FakeControl(ctl.path, {"GET /status": http(200, WEB)}):
        done = on_screen("status", "--control", str(ctl.path))
        plain = on_screen("status", "--control", str(ctl.path), environment={"NO_COLOR": "1"})
    assert without_moments(ESCAPES.sub("", done.out)) == NARROW
    assert "\x1b[31mfailed\x1b[m" in done.out
    assert "\x1b[32msucceeded\x1b[m" in done.out
    assert plain.out == ESCAPES.sub("", done.out)


def test_long_texts_share_the_room(ctl: Ctl) -> None:
    """No text is cut shorter than the longest other one, and a status has all its columns in 60."""
    answers = {"GET /status": http(200, status(flag(f"file-{'/x' * 60}", action("sh", "y" * 300), next_due_in=288.0)))}
    with FakeControl(ctl.path, answers):
        wide = on_screen("status", "--control", str(ctl.path), columns=120)
        answers["GET /status"] = http(200, WEB)
        narrow = on_screen("status", "--control", str(ctl.path), columns=60)
    _, row = ESCAPES.sub("", wide.out).split("\n\n")[1].splitlines()
    assert abs(len(row.split()[0]) - len(f"sh {row.split()[2]}")) <= 1
    rows = ESCAPES.sub("", narrow.out).split("\n\n")[1].splitlines()
    assert rows[0].endswith("  LAST     NEXT IN")
    assert rows[4].startswith("every-5m  http…ve")
    assert rows[4].endswith("  12s ago  4m48s")


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_line_of_a_page_is_wider_than_the_terminal(ctl: Ctl, columns: int, encoding: str) -> None:
    """Characters may be two columns wide, or be shown as escapes; a path stays whole."""
    config = {"file": "/etc/a-b/c.toml", **times("loaded", 3.0), "ok": False, "error": "失敗した " * 30}
    evil = "信号を受け取りました" * 20
    page = status(flag("usr1", action("sh", evil, last=last("failed", 5.0, error=evil))), config=config)
    with FakeControl(ctl.path, {"GET /status": http(200, page)}):
        environment = {"PYTHONIOENCODING": encoding}
        done = on_screen("status", "--control", str(ctl.path), columns=columns, environment=environment)
    lines = ESCAPES.sub("", done.out).splitlines()
    assert max(map(width_of, lines)) in {columns - 1, columns}
    assert any("/etc/a-b/c.toml" in line for line in lines)


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 200])
def test_no_line_of_a_table_is_wider_than_the_terminal(ctl: Ctl, columns: int) -> None:
    """Also if there is no room for all columns, and for characters of two columns."""
    wide = status(*(Fields(WEB)._fields["flags"]), flag("usr2", action("print", "信号を受け取りました" * 5)))  # type: ignore[misc]
    with FakeControl(ctl.path, {"GET /status": http(200, wide)}):
        done = on_screen("status", "--control", str(ctl.path), columns=columns)
    table = ESCAPES.sub("", done.out).split("\n\n")[1].splitlines()
    assert len(table) == 7
    assert max(map(width_of, table)) <= columns


@pytest.mark.parametrize(
    ("words", "environment", "is_colored"),
    [
        ((), {}, True),
        ((), {"TERM": "dumb"}, False),
        ((), {"NO_COLOR": ""}, True),
        ((), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        (("--color=never",), {"FORCE_COLOR": "1"}, False),
        ((), {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colors_on_a_terminal(
    ctl: Ctl, words: tuple[str, ...], environment: dict[str, str], *, is_colored: bool
) -> None:
    """The option decides, then the environment, then the terminal."""
    with FakeControl(ctl.path, {"GET /status": http(200, WEB)}):
        done = on_screen(*words, "status", "--control", str(ctl.path), environment=environment)
    assert ("\x1b[" in done.out) == is_colored


def test_colors_in_a_pipe(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gets colors only if they are asked for."""
    with FakeControl(ctl.path, {"GET /status": http(200, WEB)}):
        assert "\x1b[" in ctl("status", "--color", "always").out
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert "\x1b[" in ctl("status").out


def test_what_others_have_written_cannot_change_the_terminal(ctl: Ctl) -> None:
    """Escape sequences, line ends and directions of writing in names, arguments and errors are shown, not obeyed."""
    evil = "\x1b[2J\x9b31m\u202e\n\r\x07\ud800x"
    page = status(
        flag(evil, action(evil, evil, last=last(evil, 1, error=evil))),
        name=evil,
        version=evil,
        state=evil,
        config={"file": evil, **times("loaded", 1.0), "ok": False, "error": evil},
    )
    with FakeControl(ctl.path, {"GET /status": http(200, page)}):
        done = ctl("status")
    assert done.status == 0
    assert all(line.isprintable() for line in done.out.splitlines())
    assert "\\x1b[2J" in done.out
    assert len(done.out.splitlines()) == 11


def test_a_page_of_a_daemon_that_has_nothing_to_tell(ctl: Ctl) -> None:
    """No bindings, no file, no state yet."""
    page = status(
        state="starting", ready=False, config={"file": None, **times("loaded", None), "ok": True, "error": None}
    )
    with FakeControl(ctl.path, {"GET /status": http(200, page)}):
        text = without_moments(ctl("status").out)
    assert text.splitlines()[0] == "web: starting since MOMENT (5m12s ago)"
    assert text.endswith("  config   the command line\n\nno action is bound\n")


def test_a_failed_reload_and_an_error_of_the_flag(ctl: Ctl) -> None:
    """The page tells of a file that has mistakes, and of an error that belongs to no action."""
    config = {"file": "/etc/x.toml", **times("loaded", 3.0), "ok": False, "error": "key 'cwd': unknown"}
    failed = flag("usr1", action("print", "x"), last=last("timed-out", 61, error="no time left"))
    with FakeControl(ctl.path, {"GET /status": http(200, status(failed, config=config, ready=False))}):
        text = ctl("status").out
    assert ", not ready\n" in text
    assert "\n           the last reload has failed: key 'cwd': unknown\n" in text
    assert text.endswith("Errors of the last runs:\n  usr1: timed-out 1m ago\n    no time left\n")


def test_the_reason_of_a_good_result_is_no_error(ctl: Ctl) -> None:
    """An action that has closed, or was left out, may say why."""
    closed = flag("usr1", action("print_once", "x", last=last("closed", 5.0, error="only once")))
    skipped = flag("usr2", last=last("skipped", 5.0, error="nothing to do"))
    with FakeControl(ctl.path, {"GET /status": http(200, status(closed, skipped))}):
        text = ctl("status").out
    assert "print_once x     0       0  closed" in text
    assert "Errors" not in text


def test_an_output_that_is_not_unicode(ctl: Ctl) -> None:
    """A terminal without Unicode gets signs of ASCII, and escapes for what it cannot show."""
    page = status(flag("usr1", action("print", "grüße " * 20)))
    environment = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    with FakeControl(ctl.path, {"GET /status": http(200, page)}):
        done = on_screen("status", "--control", str(ctl.path), environment=environment)
    assert done.status == 0
    assert ESCAPES.sub("", done.out).startswith("* web: idle")
    assert "gr\\xfc" in done.out


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["name", "last", "error", "begun", "actions"]), inner)
    ),
    max_leaves=10,
)
KEYS = st.sampled_from(sorted({*WEB, *WEB["flags"][0], *WEB["flags"][0]["actions"][0]}))  # type: ignore[index]


@given(st.dictionaries(KEYS, JSON | st.lists(st.dictionaries(KEYS, JSON))))
def test_any_status_has_a_page(answer: dict[str, object]) -> None:
    """Whatever a daemon answers, there is a page and no error; a newer one may have other fields."""
    text = "\n".join(overview.lines(Fields(json.loads(json.dumps(answer))), Screen("never")))
    assert all(line.isprintable() for line in text.splitlines())


def test_json(ctl: Ctl) -> None:
    """The option prints the answer of the daemon, in one line, and on a terminal in many."""
    with FakeControl(ctl.path, {"GET /status": http(200, WEB)}):
        done = ctl("--json", "status")
        shown = on_screen("status", "--json", "--control", str(ctl.path))
    assert json.loads(done.out) == json.loads(shown.out) == WEB
    assert done.out.count("\n") == 1
    assert shown.out.startswith('{\n  "version": "1.0.0",\n')


def test_refusals(ctl: Ctl) -> None:
    """What the daemon refuses is an unknown status for init scripts; with JSON the answer is printed."""
    answer = mistake(403, "forbidden", "only root may ask")
    with FakeControl(ctl.path, {"GET /status": answer}):
        assert ctl("status") == (4, "", "flagmanctl: error: only root may ask\n")
        done = ctl("status", "--json")
        assert (done.status, json.loads(done.out)["error"]["code"]) == (4, "forbidden")
    ctl.path.unlink()
    with FakeControl(ctl.path, {"GET /status": mistake(503, "stopping", "it stops")}):
        assert ctl("status").status == 4
    ctl.path.unlink()
    with FakeControl(ctl.path, {"GET /status": http(200, [1])}):
        assert ctl("status") == (4, "", f"flagmanctl: error: what {ctl.path} answers is no answer of flagman\n")


def test_a_pid_file_and_no_control(ctl: Ctl, tmp_path: Path) -> None:
    """A daemon without a socket is found by its pid file, for init scripts; other verbs say what is missing."""
    path = tmp_path / "web.pid"
    assert ctl("status", "--pid-file", str(path)) == (3, f"not running ({path})\n", "")
    assert ctl("ready", "--pid-file", str(path)) == (3, "", f"flagmanctl: error: not running ({path})\n")
    assert ctl("status", "--json", "--pid-file", str(path)) == (3, "", f"flagmanctl: error: not running ({path})\n")
    with Flagman(tmp_path, "--pid-file", str(path), "--usr1", "print", "hi") as daemon:
        daemon.ready().expect("init")
        pid = daemon.process.pid
        assert ctl("status", "--pid-file", str(path)) == (0, f"running, pid {pid}\n", "")
        for words in (("ready",), ("status", "--json")):
            done = ctl(*words, "--pid-file", str(path))
            assert (done.status, done.out) == (4, "")
            assert f"the daemon runs (pid {pid}), but has no control socket 'web.sock': start it with" in done.err
        answers = {"GET /status": http(200, WEB)}
        with FakeControl(ctl.path, answers):  # of another daemon of the same name
            assert ctl("status", "--pid-file", str(path)) == (0, f"running, pid {pid}\n", "")
            answers["GET /status"] = http(200, WEB | {"pid": pid})
            assert ctl("status", "--pid-file", str(path)).out.startswith("web: idle since")
        daemon.process.kill()
        daemon.status()
    dead = f"dead, but its pid file exists ({path})"
    assert ctl("status", "--pid-file", str(path)) == (1, f"{dead}\n", "")
    assert ctl("ready", "--pid-file", str(path)) == (3, "", f"flagmanctl: error: {dead}\n")


def test_a_socket_that_may_not_be_used_is_no_obstacle_for_an_init_script(
    ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pid file tells whether the daemon runs, also if the socket may not be used."""
    path = tmp_path / "web.pid"

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("flagman.ctl.place.Client", refuse)
    assert ctl("status", "--control", "/x/web.sock") == (
        4,
        "",
        "flagmanctl: error: not permitted to use /x/web.sock: the daemon belongs to another user\n",
    )
    with Flagman(tmp_path, "--pid-file", str(path), "--usr1", "print", "hi") as daemon:
        daemon.ready().expect("init")
        assert ctl("status", "--pid-file", str(path)) == (0, f"running, pid {daemon.process.pid}\n", "")


class Watched:
    """A page on a terminal that is shown again and again."""

    def __init__(self, *words: str, verb: str = "status", rows: int = 24, terminal_type: str = "xterm") -> None:
        self.master, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))
        surroundings = {name: value for name, value in clean_environment().items() if name not in VARIABLES}
        self.process = subprocess.Popen(
            [SCRIPT, verb, "-w", *words],
            stdout=terminal,
            stderr=terminal,
            env={**surroundings, "TERM": terminal_type, "LC_ALL": "C.UTF-8"},
        )
        os.close(terminal)
        self.seen = ""

    def until(self, text: str) -> None:
        """Read until the terminal has got a text."""
        end = monotonic() + DEADLINE
        while text not in self.seen:
            left = max(end - monotonic(), 0.0)
            assert select.select([self.master], [], [], left)[0], f"{text!r} is not in {self.seen[-2000:]!r}"
            self.seen += os.read(self.master, 1 << 16).decode()
        self.seen = self.seen.partition(text)[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)
        os.close(self.master)

    def end(self) -> int:
        """Interrupt it, and return its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE)


def test_watching(ctl: Ctl) -> None:
    """The status is shown anew, a daemon that goes may come back, and the reader ends it."""
    answers = {"GET /status": http(200, WEB)}
    with FakeControl(ctl.path, answers) as daemon, Watched("--control", str(ctl.path), rows=7) as watched:
        watched.until("\x1b[H")
        watched.until("TRIGGER")
        watched.until("\n… 9 more lines\x1b[K\x1b[J")  # no more than the screen has
        answers["GET /status"] = http(200, WEB | {"state": "reloading"})
        watched.until("reloading")
        daemon.__exit__()
        watched.until("nothing listens on")
        ctl.path.unlink()
        with FakeControl(ctl.path, answers):
            watched.until("reloading")
            assert watched.end() == 130


def test_watching_processes(ctl: Ctl) -> None:
    """The table of processes is shown anew, too, and may come to have rows only later."""
    answers = {"GET /processes": http(200, {"processes": []})}
    with FakeControl(ctl.path, answers), Watched("--control", str(ctl.path), verb="ps") as watched:
        watched.until("\x1b[Hthe daemon has no processes\x1b[K\x1b[J")
        answers["GET /processes"] = http(200, {"processes": PROCESSES})
        watched.until("\x1b[H")
        watched.until("backoff 4s")
        assert watched.end() == 130
    assert ctl("ps", "--watch").status == 3


def test_watching_on_a_terminal_that_cannot_go_back(ctl: Ctl) -> None:
    """It gets whole pages, one below the other."""
    with (
        FakeControl(ctl.path, {"GET /status": http(200, WEB)}),
        Watched("--control", str(ctl.path), rows=7, terminal_type="dumb") as watched,
    ):
        watched.until("✗ web")
        watched.until("nginx.conf:12\r\n\r\n✗ web: idle since")
        assert "\x1b" not in watched.seen


def test_watching_nothing(ctl: Ctl) -> None:
    """If there is no daemon at the beginning, there is nothing to watch."""
    assert ctl("status", "--watch").status == 3


def test_watching_in_a_pipe(ctl: Ctl) -> None:
    """A pipe gets a page, or a line of JSON, each second."""
    with FakeControl(ctl.path, {"GET /status": http(200, WEB), "GET /history": http(200, RUNS)}):
        words = [SCRIPT, "status", "-w", "--json", "--control", str(ctl.path)]
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=buffered()
        ) as process:
            assert process.stdout
            assert process.stderr
            assert [json.loads(process.stdout.readline()) for _ in range(2)] == [WEB, WEB]
            process.stdout.close()
            assert process.wait(DEADLINE) == 1
            assert process.stderr.read() == ""


def test_watching_json_ends_with_the_daemon(ctl: Ctl) -> None:
    """The output is nothing but JSON."""
    daemon = FakeControl(ctl.path, {"GET /status": http(200, WEB)})
    words = [SCRIPT, "status", "-w", "--json", "--control", str(ctl.path)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=buffered()
    ) as process:
        assert process.stdout
        assert process.stderr
        with daemon:
            assert json.loads(process.stdout.readline()) == WEB
        try:
            assert process.wait(DEADLINE) == 3
        finally:
            process.kill()
        assert all(json.loads(line) == WEB for line in process.stdout)
        assert process.stderr.read().startswith("flagmanctl: error: not running: ")


def buffered() -> dict[str, str]:
    """Return an environment in which Python writes as it does for users."""
    return {name: value for name, value in clean_environment().items() if name not in {*VARIABLES, "PYTHONUNBUFFERED"}}


@pytest.mark.parametrize("word", ["status", "--help"])
def test_an_output_that_is_full(ctl: Ctl, word: str) -> None:
    """What cannot be written is one line, and not a success."""
    with FakeControl(ctl.path, {"GET /status": http(200, WEB)}), Path("/dev/full").open("w", encoding="utf-8") as full:
        words = [SCRIPT, word, "--control", str(ctl.path)]
        done = subprocess.run(
            words, stdout=full, stderr=subprocess.PIPE, encoding="utf-8", env=buffered(), check=False, timeout=DEADLINE
        )
    assert (done.returncode, done.stderr) == (
        1,
        "flagmanctl: error: cannot write to the standard output: No space left on device\n",
    )
