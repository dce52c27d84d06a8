"""What a process of a real flagman is started with: its surroundings and its output; and starts that fail."""

from __future__ import annotations

import grp
import json
import os
import pwd
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from support.driven import descriptors, settle, wait_for
from support.processes import SLEEPS, python, shell
from support.unix import request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.processes import Kept

    Keep = Callable[..., Kept]

# Prints what it finds around itself.
FACTS = """
import json, os, resource, signal, sys
umask = os.umask(0)
print(json.dumps({
    "directory": os.getcwd(),
    "variables": dict(os.environ),
    "ids": [*os.getresuid(), *os.getresgid()],
    "groups": os.getgroups(),
    "umask": umask,
    "nice": os.nice(0),
    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
    "leads": [os.getpid() == os.getpgid(0) == os.getsid(0)],
    "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "ignored": [s for s in signal.valid_signals() if signal.getsignal(s) is signal.SIG_IGN],
    "files": sorted(fd for fd in range(64) if os.path.exists(f"/proc/self/fd/{fd}")),
}), flush=True)
signal.pause()
"""
# The same as a script, because another user may not be able to run the Python of these tests.
SHOWS = """#!/bin/sh
pwd
echo $(id -u) $(id -g)
umask
echo $(ulimit -Sn) $(ulimit -Hn)
set -- $(cat /proc/$$/stat)
echo ${19}
echo $USER $HOME
ls /proc/self/fd
exec sleep 1000
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


def test_by_default(keep: Keep, tmp_path: Path) -> None:
    """It has what flagman has, leads a session of its own, and has only its standard streams."""
    daemon = keep({"web": {"command": python(FACTS), "environment": {"PORT": "80", "EMPTY": ""}}}).ready()
    facts = json.loads(daemon.out.next())
    assert facts["directory"] == str(tmp_path)
    assert (facts["leads"], facts["mask"], facts["nice"]) == ([True], [], os.nice(0))
    assert facts["ignored"] == [signal.SIGPIPE, signal.SIGXFSZ]  # Python itself does that
    assert facts["files"] == [0, 1, 2]
    variables = facts["variables"]
    assert (variables["PORT"], variables["EMPTY"]) == ("80", "")
    assert (variables["FLAGMAN_PROCESS"], variables["FLAGMAN_PID"]) == ("web", str(daemon.process.pid))
    assert "NOTIFY_SOCKET" not in variables
    daemon.stop()


@needs_root
def test_as_it_is_told(keep: Keep, open_path: Path) -> None:
    """All keys at once."""
    (open_path / "show").write_text(SHOWS, encoding="ascii")
    (open_path / "show").chmod(0o755)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    table = {
        "command": [str(open_path / "show")],
        "directory": str(open_path),
        "user": "nobody",
        "group": "daemon",
        "umask": "0027",
        "nice": 3,
        "limits": {"nofile": f"100:{min(200, most)}"},
        "environment": {"HOME": "/nowhere"},
    }
    daemon = keep({"web": table}).ready()
    user, group = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("daemon").gr_gid
    daemon.expect(str(open_path), f"{user} {group}", "0027", f"100 {min(200, most)}", f"{os.nice(0) + 3}")
    daemon.expect("nobody /nowhere", "0", "1", "2", "3")  # the last one is that of ls itself
    daemon.stop()


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"command": ["/does/not/exist"]}, "cannot start '/does/not/exist': No such file or directory"),
        ({"command": ["does-not-exist"]}, "cannot start 'does-not-exist': No such file or directory"),
        ({"command": ["./no-interpreter"]}, "the interpreter that its first line names is not"),
        ({"command": ["./no-interpreter"], "umask": "022"}, "the interpreter that its first line names is not"),
        ({"command": ["./no-script"]}, "a script begins with a line such as #!/bin/sh"),
        ({"command": ["/etc/passwd"]}, "Permission denied"),
        ({"command": SLEEPS, "directory": "/does/not/exist"}, "directory '/does/not/exist': No such file or directory"),
    ],
)
def test_it_dies_before_its_program(keep: Keep, tmp_path: Path, table: dict[str, object], text: str) -> None:
    """Such a start fails as any other; the step is named, and it is tried again as the policy says."""
    for name, content in (("no-interpreter", "#!/does/not/exist\n"), ("no-script", "no script\n")):
        (tmp_path / name).write_text(content, encoding="ascii")
        (tmp_path / name).chmod(0o755)
    daemon = keep({"web": table, "late": {"command": SLEEPS, "after": ["web"]}, "other": {"command": SLEEPS}}).served()
    shown = daemon.until("web", state="backoff", restarts=1)
    assert text in shown["last"]["text"]
    assert shown["last"]["reason"] == "cannot-start"
    assert daemon.shown("late")["text"].startswith("waiting: web in back-off (1), next start ")
    assert daemon.shown("late")["text"].endswith(shown["last"]["text"])
    assert daemon.shown("other")["state"] == "ready"
    daemon.stop()


def test_null(keep: Keep) -> None:
    """What it prints goes nowhere, and cannot be asked for."""
    daemon = keep({"web": {"command": shell("echo out; echo err >&2; exec sleep 1000"), "output": "null"}}).ready()
    pid = daemon.pid("web")
    wait_for(lambda: descriptors(pid) == dict.fromkeys("012", "/dev/null"))
    assert request(daemon.control, "GET", "/processes/web/output")[1]["error"]["code"] == "no-output"
    daemon.stop()


def test_the_log(keep: Keep) -> None:
    """Whole lines, each after the name of the process."""
    code = shell("printf 'one\\ntw'; sleep 0.1; printf 'o\\n'; echo three >&2; printf rest; exec sleep 1000")
    daemon = keep({"web": {"command": code, "output": "log"}}, "-v").ready()
    daemon.logged("INFO:flagman.process:web: one", "web: two", "web: three")
    daemon.signal(signal.SIGTERM).logged("web: rest")
    daemon.expect("")
    assert daemon.status() == 0


def test_a_file_that_is_rotated(keep: Keep, tmp_path: Path, fifo: Path) -> None:
    """It is opened anew when it has been moved away; nothing is lost."""
    code = f"n=0; while :; do read line < {fifo} && n=$((n+1)) && echo line $n; done"
    daemon = keep({"web": {"command": shell(code), "output": "./web.log"}}).ready()
    path = tmp_path / "web.log"
    fifo.write_text("go\n", encoding="ascii")
    wait_for(lambda: path.exists() and path.read_text(encoding="ascii") == "line 1\n")
    path.rename(tmp_path / "web.log.1")
    text = ""

    def is_new() -> bool:
        nonlocal text
        fifo.write_text("go\n", encoding="ascii")
        settle(daemon.pid("web"))
        text = path.read_text(encoding="ascii") if path.exists() else ""
        return bool(text)

    wait_for(is_new)
    last = text.splitlines()[-1]
    daemon.stop()
    lines = (tmp_path / "web.log.1").read_text(encoding="ascii") + path.read_text(encoding="ascii")
    assert lines.splitlines()[: int(last.split()[1])] == [f"line {n + 1}" for n in range(int(last.split()[1]))]


def test_a_flood_that_is_not_read(keep: Keep) -> None:
    """A process that floods a log that nothing reads harms nothing: requests are answered, others go on."""
    flood = {"command": ["yes", "a line that is long enough to be one of a log"], "output": "log"}
    daemon = keep({"flood": flood, "web": {"command": SLEEPS}}, "-v").ready()
    for _ in range(3):
        os.kill(daemon.pid("web"), signal.SIGKILL)
        number = daemon.shown("web")["instance"]
        assert daemon.does("restart", "web")["wish"]["outcome"] == "reached"
        assert daemon.shown("web")["instance"] >= number
    lines = request(daemon.control, "GET", "/processes/flood/output?n=2")[1]["lines"]
    assert lines == ["a line that is long enough to be one of a log"] * 2
    daemon.signal(signal.SIGTERM)
    while daemon.err.next():
        pass
    assert (daemon.status(), daemon.left()) == (0, [])


def test_it_closes_its_streams(keep: Keep) -> None:
    """That is no death: it goes on, and its end is seen."""
    code = "import os, signal; print('up', flush=True); os.close(0); os.close(1); os.close(2); signal.pause()"
    daemon = keep({"web": {"command": python(code), "output": "log"}}, "-v").ready()
    daemon.logged("web: up")
    pid = daemon.pid("web")
    wait_for(lambda: not {"0", "1", "2"} & set(descriptors(pid)))
    settle(daemon.process.pid)
    assert daemon.shown("web")["state"] == "ready"
    os.kill(pid, signal.SIGKILL)
    assert daemon.until("web", restarts=1)["last"]["signal"] == "KILL"
    daemon.stop()


def test_relative_paths(keep: Keep, tmp_path: Path) -> None:
    """They begin where flagman was started, although it works elsewhere, and a reload finds the same ones."""
    program, place = tmp_path / "it", tmp_path / "place"
    ready = {"type": "file", "path": "place/up"}
    program.write_text("#!/bin/sh\npwd; touch up; exec sleep 1000\n", encoding="ascii")
    program.chmod(0o755)
    place.mkdir()
    table = {
        "command": ["./it"],
        "directory": "place",
        "output": "./log",
        "ready": ready,
    }
    daemon = keep({"web": table}, "--chdir", "/").ready()
    pid = daemon.pid("web")
    assert (tmp_path / "log").read_text(encoding="utf-8") == f"{place}\n"
    daemon.reload({"web": table, "other": {"command": SLEEPS}})
    daemon.until("other", state="ready")
    assert daemon.pid("web") == pid
    daemon.reload({"web": {**table, "nice": 1}})
    assert daemon.until("web", state="ready", instance=2)["pid"] != pid
    daemon.stop()
