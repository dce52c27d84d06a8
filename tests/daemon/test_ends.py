"""How a daemon of the library ends, and what its parent learns: never in the caller's code, and never unheard."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from flagman.daemon import Daemon, read_pid
from support.driven import DEADLINE, in_terminal, marked, run, wait_for
from support.starter import PROLOGUE, Starter

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# What follows in each program: the parent says how the start went; if a daemon comes here, it says so too.
REPORT = """
d.start()
print(d.exitcode, os.getpid() == caller, repr(d.error[-75:]))
"""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("def target(): sys.exit(['no', 'number'])\nd = Daemon(target, detach=True)", "0 True ''"),
        ("def target(): sys.exit(2**40)\nd = Daemon(target, detach=True)", "0 True ''"),
        ("d = D(lambda self: sys.exit(['why']), detach=True)", "1 True \"['why']\\n\""),
        ("d = D(lambda self: sys.exit(256 + 7), detach=True)", "7 True ''"),
        ("d = D(lambda self: 1 / 0, detach=True)", "ZeroDivisionError: division by zero\\n'"),
        ("sys.stderr = None\nd = D(lambda self: 1 / 0, detach=True)", "ZeroDivisionError: division by zero\\n'"),
        ("d = D(lambda self: setattr(sys, 'stdout', Broken()), detach=True)", "flush\\'\\n'"),
        (
            "class E(Daemon):\n    def detach(self):\n        super().detach()\n        1 / 0\nd = E(detach=True)",
            "ZeroDivisionError: division by zero\\n'",
        ),
        (
            "class E(Daemon):\n    def detach(self): super().detach(), super().detach()\nd = E(detach=True)",
            "RuntimeError: detach() has run already\\n'",
        ),
        (
            "d = Daemon(detach=True)\nd.redirect_streams = lambda: None",
            "has been replaced by something that does not run it\\n'",
        ),
        ("d = Daemon(detach=True, chroot=where + '\\0')", "cannot be entered: "),
        (
            "d = Daemon(detach=True)\nd.signal_map[9] = None",
            "signal 9: cannot be handled: [Errno 22] Invalid argument\\n'",
        ),
    ],
)
def test_it_never_comes_back(starter: Starter, program: str, said: str) -> None:
    """Whatever it dies of, the daemon does not go on in the program that has started it."""
    prologue = """
caller = os.getpid()
class Broken:
    closed = False
    def write(self, text): pass
    def flush(self): raise KeyError("flush")
class D(Daemon):
    def __init__(self, does, **options):
        super().__init__(**options)
        self.does = does
    def set_umask(self):
        super().set_umask()
        self.does(self)
"""
    done = starter.run(f"{prologue}{program}{REPORT}")
    lines = done.stdout.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert lines[0][1:].startswith(" True ")


def test_what_goes_wrong_with_a_report(tmp_path: Path) -> None:
    """Nobody who cannot hear what a daemon has said takes its start for a failure."""
    program = """
class Says(Daemon):
    def set_umask(self):
        super().set_umask()
        print("ü" * 100)
d = Says(detach=True)
try:
    d.report()
except RuntimeError:
    d.start()
    d.report()
"""
    words = [sys.executable, "-c", PROLOGUE + program, str(tmp_path)]
    done = run(command=words, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ü" * 100 + "\n", "")
    assert run(command=["sh", "-c", '"$@" >/dev/full', "sh", *words], PYTHONIOENCODING="utf-8").returncode == 0


def test_streams_that_lead_to_those_of_the_caller(starter: Starter) -> None:
    """By number, and exchanged: as they are before they lead to the parent."""
    done = starter.run("""
out, err = (os.open(where + "/" + name, os.O_CREAT | os.O_WRONLY, 0o644) for name in ("out", "err"))
os.dup2(out, 1)
os.dup2(err, 2)
def target():
    print("to err", flush=True)
    print("to out", file=sys.stderr, flush=True)
d = Daemon(target, detach=True, stdout=sys.stderr, stderr=1, pid_file=where + "/d.pid")
d.start()
""")
    assert done.returncode == 0
    starter.wait_for_the_end()
    assert (starter.directory / "out").read_text(encoding="utf-8") == "to out\n"
    assert (starter.directory / "err").read_text(encoding="utf-8") == "to err\n"


def test_standard_streams_that_are_closed(starter: Starter) -> None:
    """What it opens does not get their numbers: the lock stays, and so does the null device."""
    done = starter.run(
        """
os.mkdir(where + "/jail")
d = Daemon(signal.pause, detach=True, pid_file=where + "/d.pid", chroot=None if os.geteuid() else where + "/jail")
d.start()
os._exit(d.exitcode)
""",
        "sh",
        "-c",
        'exec "$@" <&- >&- 2>&-',
        "sh",
    )
    assert done.returncode == 0
    pid = read_pid(starter.directory / "d.pid")
    assert pid
    starter._pids.append(pid)
    links = {name: os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH115, PTH208
    assert {links[name] for name in "012"} == {"/dev/null"}


def test_a_failed_start_leaves_the_caller_as_it_was(tmp_path: Path) -> None:
    """Without detaching: no signal stays blocked, and the pid file is not there."""
    daemon = Daemon(
        detach=False, user="no such user", pid_file=tmp_path / "d.pid", prevent_core=False, working_directory=None
    )
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(Exception, match="no such user"):
        daemon.start()
    daemon = Daemon(
        detach=False, chroot="/no/such", pid_file=tmp_path / "d.pid", prevent_core=False, working_directory=None
    )
    with pytest.raises(Exception, match="/no/such"):
        daemon.start()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    assert not list(tmp_path.iterdir())


def test_a_lock_of_the_caller(starter: Starter) -> None:
    """It goes to the daemon if that starts, and else nothing is left of it."""
    program = """
lock = PidLockFile(where + "/d.pid")
lock.acquire()
d = Daemon(tell, detach=True, pid_file=lock, user={user})
d.start()
d.report()
"""
    done = starter.run(program.format(user="'no such user'"))
    assert done.returncode == 1
    assert [path.name for path in starter.directory.iterdir()] == ["said"]
    assert starter.run(program.format(user=None)).returncode == 0
    assert read_pid(starter.directory / "d.pid") == starter.told()["pid"]


@needs_root
def test_what_a_failed_start_has_left_to_root(starter: Starter) -> None:
    """The watcher, who is still root, removes the pid file that the daemon may not remove any more."""
    done = starter.run("""
d = Daemon(tell, detach=True, user="nobody", working_directory="/no/such", pid_file=where + "/d.pid")
d.start()
d.report()
""")
    assert done.returncode == 1
    assert [path.name for path in starter.directory.iterdir()] == ["said"]


def test_signals_of_children_that_are_ignored(starter: Starter) -> None:
    """Nobody would learn how the daemon has ended."""
    done = starter.run("""
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
class Exits(Daemon):
    def set_umask(self):
        sys.exit(3)
d = Exits(detach=True)
d.start()
print(d.exitcode, repr(d.error))
""")
    assert done.stdout == "3 ''\n"


def test_a_child_that_outlives_its_start(starter: Starter) -> None:
    """It does not keep the parent from seeing that the daemon has died."""
    done = starter.run("""
class Forks(Daemon):
    def set_umask(self):
        child = os.fork()
        if child == 0:
            os.write(os.open(where + "/said", os.O_WRONLY), b'{"pid": %d}\\n' % os.getpid())
            os.closerange(0, 3)
            signal.pause()
        sys.exit(3)
d = Forks(detach=True)
d.start()
print(d.exitcode)
""")
    assert done.stdout == "3\n"
    starter.told()


def test_a_watcher_that_is_killed(starter: Starter) -> None:
    """Then the start has failed, and there is no daemon behind the back of who has been told so."""
    done = starter.run("""
class Kills(Daemon):
    def set_umask(self):
        os.kill(os.getppid(), signal.SIGKILL)
        while os.getppid() == d.watcher:
            pass
    def detach(self):
        super().detach()
        d.watcher = os.getppid()
d = Kills(signal.pause, detach=True, pid_file=where + "/d.pid")
d.start()
print(d.exitcode, d.error)
""")
    assert done.stdout == "1 it is not known what has become of the daemon\n\n"
    starter.wait_for_the_end()
    assert not (starter.directory / "d.pid").exists()


def test_a_parent_that_is_killed(starter: Starter) -> None:
    """It does not wait any longer, so the daemon is stopped."""
    done = starter.run("""
parent = os.getpid()
class Slow(Daemon):
    def set_umask(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(parent, signal.SIGKILL)
        got = signal.sigwait({signal.SIGTERM})
        os.write(os.open(where + "/said", os.O_WRONLY), b'{"pid": %d, "got": %d}\\n' % (os.getpid(), got))
        os._exit(0)
d = Slow(detach=True)
d.start()
""")
    assert done.returncode == -signal.SIGKILL
    assert starter.told()["got"] == signal.SIGTERM
    starter._pids.clear()


def test_threads_are_waited_for(starter: Starter) -> None:
    """As at the end of any program, but for those that are to end with it."""
    done = starter.run("""
import threading
def target():
    threading.Thread(target=signal.pause, daemon=True).start()
    gate = threading.Event()
    threading.Thread(target=lambda: (gate.wait(), open(where + "/late", "w").close())).start()
    threading.Timer(0, gate.set).start()
d = Daemon(target, detach=True, pid_file=where + "/d.pid")
d.start()
d.report()
""")
    assert done.returncode == 0
    starter.wait_for_the_end()
    assert (starter.directory / "late").exists()


@needs_root
def test_last_words_in_another_root(starter: Starter) -> None:
    """What is needed for them has been imported before."""
    done = starter.run("""
os.makedirs(where + "/jail/var/log")
def fails():
    raise KeyError("last words")
d = Daemon(fails, detach=True, chroot=where + "/jail", pid_file=where + "/d.pid")
d.name = "jailed"
d.start()
d.report()
""")
    assert (done.returncode, done.stderr) == (0, "")
    starter.wait_for_the_end()
    text = (starter.directory / "jail" / "var" / "log" / "jailed.errors").read_text(encoding="utf-8")
    assert text.endswith("KeyError: 'last words'\n")


def test_a_terminal(starter: Starter) -> None:
    """Whoever starts it from one leaves it behind."""
    program = """
before = int(open("/proc/self/stat").read().rpartition(")")[2].split()[4])
d = Daemon(tell, detach=True)
d.start()
os._exit(not before or d.exitcode)
"""
    words = [sys.executable, "-c", PROLOGUE + program, str(starter.directory)]
    process, terminal = in_terminal(*words, environment={**os.environ, **marked(starter.directory)})
    facts = starter.told()
    assert facts["tty"] == 0
    assert process.wait(DEADLINE) == 0
    os.close(terminal)


def test_no_daemon_outlives_its_test(open_path: Path) -> None:
    """Also one that has told nobody its number, as when the test has failed before that."""
    starter = Starter(open_path)
    starter.run('d = Daemon(signal.pause, detach=True, pid_file=where + "/d.pid")\nd.start()')
    pid = read_pid(open_path / "d.pid")
    assert pid
    starter.close()
    starter.wait_for_the_end()
    wait_for(lambda: not Path(f"/proc/{pid}/fd/0").exists())


def test_a_class_that_forgets_its_base() -> None:
    """Is told so."""

    class Forgets(Daemon):
        def __init__(self) -> None:
            pass

    with pytest.raises(RuntimeError, match=r"Daemon.__init__\(\) has not been called"):
        Forgets().start()


@pytest.mark.parametrize("way", ["sys.exit(3)", "1 / 0", "return"])
def test_children_of_the_target(starter: Starter, way: str) -> None:
    """They do not come back either; what they die of is theirs, and the pid file is not."""
    done = starter.run(f"""
def target():
    child = os.fork()
    if child == 0:
        {way}
        return
    _, status = os.waitpid(child, 0)
    with open(where + "/status", "w") as file:
        file.write(str(os.waitstatus_to_exitcode(status)))
    assert os.path.exists(where + "/d.pid")
d = Daemon(target, detach=True, pid_file=where + "/d.pid")
d.start()
print("here")
""")
    assert done.stdout == "here\n"
    starter.wait_for_the_end()
    expected = {"sys.exit(3)": "3", "1 / 0": "1", "return": "0"}[way]
    assert (starter.directory / "status").read_text(encoding="ascii") == expected
    assert not (starter.directory / "d.pid").exists()


def test_a_daemon_that_ignores_the_stop(starter: Starter) -> None:
    """It learns, when it is ready, that nobody waits any longer, and ends."""
    done = starter.run("""
import select
parent = os.getpid()
class Deaf(Daemon):
    def redirect_streams(self):
        super().redirect_streams()
        os.kill(parent, signal.SIGINT)
        poll = select.poll()
        poll.register(self._detachment._readiness, 0)
        poll.poll()
d = Deaf(signal.pause, detach=True, signal_map={"TERM": None}, stderr=where + "/err", pid_file=where + "/d.pid")
try:
    d.start()
except KeyboardInterrupt:
    print(d.exitcode)
""")
    assert done.stdout == "1\n"
    assert "nobody waits for this daemon any more" in (starter.directory / "err").read_text(encoding="utf-8")
    assert not (starter.directory / "d.pid").exists()


@needs_root
def test_a_daemon_that_has_been_taken_over(starter: Starter) -> None:
    """The watcher, who is still root, does not take its word for what is to be removed."""
    done = starter.run("""
os.mkdir(where + "/secret", 0o700)
class Evil(Daemon):
    def set_umask(self):
        os.write(self._detachment._readiness, b"=" + os.fsencode(where) + b"/secret/victim")
        sys.exit(5)
    def take_pid_file(self):
        super().take_pid_file()
        with open(where + "/secret/victim", "w") as file:
            print(os.getpid(), file=file)
d = Evil(detach=True, user="nobody")
d.start()
d.report()
""")
    assert done.returncode == 5
    assert (starter.directory / "secret" / "victim").exists()
