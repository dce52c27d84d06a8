"""The exit of a daemon of the library is that of a Python program, and its parent's things are left to its parent."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    from starter import Starter

# What is noted is told apart by the process that notes it. A daemon tells its number when it has come that far.
BEGIN = """
import atexit, logging.handlers, multiprocessing, tempfile, threading, warnings, weakref
from flagman.daemon import crash
crash._SYSTEM = where
caller, inherited = os.getpid(), None
def note(what):
    with open(where + "/notes", "a") as file:
        print(what, "caller" if os.getpid() == caller else "daemon", file=file)
def here():
    with open(where + "/said", "w") as file:
        file.write('{"pid": %d}\\n' % os.getpid())
def is_at_the_end():
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None and not (frame.f_code.co_name == "_shutdown" and "threading" in frame.f_code.co_filename):
        frame = frame.f_back
    return frame is not None
def work_for_ever():
    while not is_at_the_end():
        time.sleep(0.001)
    here()
    threading.Event().wait()
"""
# Both ways to become a daemon.
START = """
d = Daemon(target, detach=True, pid_file=where + "/d.pid", stderr=where + "/err", inherit_files=inherited)
d.start()
d.report()
"""
ACTIVATE = """
d = Daemon(detach=True, pid_file=where + "/d.pid", stderr=where + "/err")
d.activate()
target()
"""
both_ways = pytest.mark.parametrize("way", [START, ACTIVATE], ids=["start", "activate"])


def run(starter: Starter, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and that of its daemon."""
    done = starter.run(BEGIN + program)
    wait(starter)
    return done


def wait(starter: Starter) -> None:
    """Wait until the daemon has removed its pid file, which is the last thing that it does but for flushing."""
    starter.wait_for_the_end()
    assert not (starter.directory / "d.pid").exists()


def notes(starter: Starter) -> list[str]:
    """Give all that has been noted, in order of the alphabet."""
    return sorted((starter.directory / "notes").read_text(encoding="utf-8").splitlines())


def left(starter: Starter) -> list[str]:
    """Give the names of all files that do not belong to the harness."""
    return sorted({path.name for path in starter.directory.iterdir()} - {"said", "err", "notes"})


@both_ways
def test_each_does_what_it_has_registered_itself(starter: Starter, way: str) -> None:
    """What was there before the fork is the parent's, and what came after it is the daemon's."""
    program = """
atexit.register(note, "registered before")
class Thing: pass
thing = Thing()
weakref.finalize(thing, note, "finalized before")
before = tempfile.TemporaryDirectory(dir=where, prefix="parents-")
parents = before.name
def target():
    global own, directory
    atexit.register(note, "registered after")
    own = Thing()
    weakref.finalize(own, note, "finalized after")
    directory = tempfile.TemporaryDirectory(dir=where, prefix="daemons-")
    atexit.register(lambda: note("kept" if os.path.isdir(parents) else "lost"))
"""
    # The parent outlives the daemon: it does not remove its directory before the daemon could have done so.
    waits = """
warnings.simplefilter("ignore", ResourceWarning)
def wait_for_the_end():
    while os.path.exists(where + "/d.pid"):
        time.sleep(0.001)
atexit.register(wait_for_the_end)
"""
    done = run(starter, program + waits + way)
    assert (done.returncode, done.stderr) == (0, "")
    assert left(starter) == []
    assert notes(starter) == [
        "finalized after daemon",
        "finalized before caller",
        "kept daemon",
        "registered after daemon",
        "registered before caller",
    ]
    assert (starter.directory / "err").read_text(encoding="utf-8") == ""


def test_what_is_registered_by_the_fork_itself(starter: Starter) -> None:
    """It is registered in the daemon, and so it is the daemon's."""
    program = """
os.register_at_fork(after_in_child=lambda: atexit.register(note, "forked"))
def target(): pass
"""
    assert run(starter, program + START).returncode == 0
    assert notes(starter) == ["forked daemon"]


def test_log_records_that_are_held(starter: Starter) -> None:
    """Logging is shut down, also if it had been imported before."""
    program = """
handler = logging.handlers.MemoryHandler(1000, target=logging.FileHandler(where + "/log", delay=True))
logging.getLogger().addHandler(handler)
def target():
    logging.error("held")
"""
    assert run(starter, program + START).returncode == 0
    assert (starter.directory / "log").read_text(encoding="utf-8") == "held\n"


def test_children_of_multiprocessing(starter: Starter) -> None:
    """Those of the daemon end with it, or are waited for; those of its parent are none of its business."""
    program = """
inherited = reader, writer = os.pipe()
def child(name):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    here() if name == "parents" else os.write(writer, b"x")
    signal.pause() if name != "waited for" else note(name)
fork = multiprocessing.get_context("fork")
parents = fork.Process(target=child, args=("parents",))
parents.start()
def target():
    ended = fork.Process(target=child, args=("ended",), daemon=True)
    ended.start()
    os.read(reader, 1)
    note(f"{ended.pid}")
    fork.Process(target=child, args=("waited for",)).start()
def stop(d):
    while os.path.exists(where + "/d.pid"):
        time.sleep(0.001)
    note("lives" if parents.is_alive() else "was killed")
    parents.kill()
atexit.register(stop, parents)
"""
    assert run(starter, program + START).returncode == 0
    starter._pids.clear()
    starter._lines.next()
    number, *others = notes(starter)
    assert others == ["lives caller", "waited for daemon"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.split()[0]), 0)


@both_ways
def test_workers_that_python_stops(starter: Starter, way: str) -> None:
    """The threads of an executor that nobody has shut down."""
    program = """
from concurrent.futures import ThreadPoolExecutor
def target():
    global executor
    executor = ThreadPoolExecutor()
    executor.submit(note, "worked").result()
"""
    assert run(starter, program + way).returncode == 0
    assert notes(starter) == ["worked daemon"]


@both_ways
@pytest.mark.parametrize("before", ["", "os.kill(os.getpid(), signal.SIGTERM)"], ids=["the first", "the second"])
def test_term_ends_the_wait_for_threads(starter: Starter, way: str, before: str) -> None:
    """Whether it has ended run() before or not; what is done at the exit is done all the same."""
    program = f"""
def target():
    atexit.register(note, "done")
    threading.Thread(target=work_for_ever).start()
    {before}
"""
    done = starter.run(BEGIN + program + way)
    assert done.returncode == 0
    pid = starter.told()["pid"]
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGTERM)
    wait(starter)
    starter._pids.clear()
    assert notes(starter) == ["done daemon"]
    assert left(starter) == [], "no last words: nothing has gone wrong"


def test_term_ends_an_exit_function_that_hangs(starter: Starter) -> None:
    """And no other."""
    program = """
def target():
    atexit.register(note, "the last")
    atexit.register(lambda: (here(), signal.pause(), signal.pause()))
    atexit.register(note, "the first")
    sys.exit()
"""
    assert starter.run(BEGIN + program + START).returncode == 0
    pid = starter.told()["pid"]
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGTERM)
    wait(starter)
    starter._pids.clear()
    assert notes(starter) == ["the first daemon", "the last daemon"]
    assert left(starter) == []


def test_another_term_does_not_disturb_the_clean_up_of_run(starter: Starter) -> None:
    """However many come."""
    program = """
def target():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for _ in range(10):
            os.kill(os.getpid(), signal.SIGTERM)
        note("cleaned up")
"""
    assert run(starter, program + START).returncode == 0
    assert notes(starter) == ["cleaned up daemon"]
    assert left(starter) == []


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("moment", ["super().run()", "pass"], ids=["run has returned", "the pid file is removed"])
def test_term_at_the_last_moment(starter: Starter, detach: bool, moment: str) -> None:  # noqa: FBT001
    """It is no crash, and the pid file does not stay."""
    late = moment == "pass"
    done = starter.run(f"""{BEGIN}
class Lock(PidLockFile):
    def release(self):
        os.kill(os.getpid(), signal.SIGTERM) if {late} and os.getpid() != parent else None
        super().release()
class Own(Daemon):
    def run(self):
        os.kill(os.getpid(), signal.SIGTERM) if not {late} else None
parent = os.getpid() if {detach} else 0
d = Own(detach={detach}, pid_file=Lock(where + "/d.pid"), prevent_core=False)
d.start()
d.report()
""")
    wait(starter)
    assert (done.returncode, done.stderr) == (0, "")
    assert left(starter) == []


def test_an_activated_program_in_the_foreground(starter: Starter) -> None:
    """Is the same program; it removes its pid file, too."""
    done = starter.run(f"""{BEGIN}
d = Daemon(detach=False, pid_file=where + "/d.pid", prevent_core=False)
d.activate()
for wrong in (d.activate, d.start):
    try:
        wrong()
    except RuntimeError as error:
        print(error)
with open(where + "/d.pid") as file:
    print(file.read() == f"{{caller}}\\n")
""")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "daemons can only be started once\n" * 2 + "True\n"
    assert left(starter) == []


@pytest.mark.parametrize("detach", [True, False])
def test_an_activation_that_fails(starter: Starter, detach: bool) -> None:  # noqa: FBT001
    """It is one line in the process that has asked for it, and no second process goes on with the program."""
    done = starter.run(f"""{BEGIN}
d = Daemon(detach={detach}, pid_file=where + "/d.pid", prevent_core=False, working_directory="/no/such")
try:
    d.activate()
except Exception as error:
    print(error)
except SystemExit:
    print(d.error.rstrip())
note("here")
""")
    message = "working directory '/no/such': cannot be entered: No such file or directory\n"
    assert (done.returncode, done.stdout) == (0, message)
    assert notes(starter) == ["here caller"]
    assert left(starter) == []


def test_stages_by_hand_clean_up_as_well(starter: Starter) -> None:
    """That the daemon has said that it is ready by itself makes no difference."""
    program = """
d = Daemon(detach=True, pid_file=where + "/d.pid")
d.advance()
d.ready()
"""
    assert run(starter, program).returncode == 0


def test_a_monitor_that_does_not_monitor(starter: Starter) -> None:
    """Its parent is told, and no daemon is left behind."""
    done = starter.run(f"""{BEGIN}
class Wrong(Daemon):
    def monitor(self):
        pass
d = Wrong(signal.pause, detach=True, pid_file=where + "/d.pid")
try:
    d.start()
except RuntimeError as error:
    print(error)
""")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Wrong.monitor() does not call that of Daemon; the daemon is stopped\n"
    wait(starter)
