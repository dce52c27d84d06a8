"""The exit of a daemon of the library is that of a Python program, and its parent's things are left to its parent."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from flagman.daemon import read_pid
from support.driven import wait_for
from support.starter import UNMEASURED

if TYPE_CHECKING:
    import subprocess

    from support.starter import Starter

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


def run(starter: Starter, program: str, *prefix: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and that of its daemon."""
    done = starter.run(BEGIN + program, *prefix)
    wait(starter)
    return done


def wait(starter: Starter) -> None:
    """Wait until the daemon has removed its pid file, which is the last thing that it does but for flushing."""
    starter.wait_for_the_end()
    assert not (starter.directory / "d.pid").exists()


def end(starter: Starter) -> None:
    """Send TERM to the daemon, which has told its number, and again, until it ends."""
    pid = starter.told()["pid"]
    assert isinstance(pid, int)

    def has_ended() -> bool:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        return not (starter.directory / "d.pid").exists()

    wait_for(has_ended)
    starter._pids.clear()


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
    end(starter)
    assert notes(starter) == ["done daemon"]
    assert left(starter) == [], "no last words: nothing has gone wrong"


@both_ways
def test_term_ends_an_exit_function_that_hangs(starter: Starter, way: str) -> None:
    """And no other."""
    program = """
def target():
    atexit.register(note, "the last")
    atexit.register(lambda: (here(), threading.Event().wait()))
    atexit.register(note, "the first")
    sys.exit()
"""
    assert starter.run(BEGIN + program + way).returncode == 0
    end(starter)
    assert notes(starter) == ["the first daemon", "the last daemon"]
    assert left(starter) == []


@both_ways
@pytest.mark.parametrize(
    "hangs",
    [
        "with ThreadPoolExecutor() as executor:\n        executor.submit(work), here(), threading.Event().wait()",
        "try: here(), threading.Event().wait()\n    finally: threading.Event().wait()",
        "asyncio.run(at_once())",
    ],
    ids=["an executor", "a clean-up", "asyncio"],
)
def test_term_ends_a_clean_up_that_hangs(starter: Starter, way: str, hangs: str) -> None:
    """One that comes more than a second after the first."""
    program = f"""
import asyncio
from concurrent.futures import ThreadPoolExecutor
gate = threading.Event()
def work():
    gate.wait()
async def at_once():
    here()
    await asyncio.to_thread(work)
def target():
    atexit.register(note, "done")
    {hangs}
"""
    done = starter.run(BEGIN + program + way)
    assert done.returncode == 0
    end(starter)
    assert notes(starter) == ["done daemon"]
    assert left(starter) == []


@pytest.mark.parametrize("names", ["TERM", "TERM, INT"])
def test_a_storm_of_term_at_the_end(starter: Starter, names: str) -> None:
    """With a thread that could get the signals, too: the pid file goes, and nothing looks like a crash."""
    program = """
names = "NAMES".split(", ")
def storm(pid):
    while True:
        for name in names:
            os.kill(pid, getattr(signal, "SIG" + name))
def target():
    atexit.register(note, "done")
    reader, writer = os.pipe()
    sender = os.fork()
    if not sender:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.read(reader, 1)
        try:
            storm(os.getppid())
        finally:
            os._exit(0)
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    os.write(writer, b"x")
    time.sleep(60)
""".replace("NAMES", names)
    program += START.replace("d.start()", "d.signal_map[2] = 'terminate'\nd.start()")
    # What measures coverage has exit functions, too, which do not expect that.
    assert run(starter, program, *UNMEASURED).returncode == 0
    assert left(starter) == []
    assert (starter.directory / "err").read_text(encoding="utf-8") == ""


def test_another_term_does_not_disturb_the_clean_up_of_run(starter: Starter) -> None:
    """However many come within a second."""
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


@pytest.mark.parametrize("body", ["pass", "time.sleep(0.1)", "super().monitor(); raise RuntimeError('why')"])
def test_a_monitor_that_does_not_monitor(starter: Starter, body: str) -> None:
    """Its parent is told, and no daemon is left behind."""
    done = starter.run(f"""{BEGIN}
class Wrong(Daemon):
    def monitor(self):
        {body}
d = Wrong(signal.pause, detach=True, pid_file=where + "/d.pid")
try:
    d.start()
except RuntimeError as error:
    print(error, d.exitcode != 0)
""")
    assert (done.returncode, done.stderr) == (0, "")
    told = "why" if "why" in body else "Wrong.monitor() does not call that of Daemon; the daemon is stopped"
    assert done.stdout == f"{told} True\n"
    wait(starter)


def test_a_block_around_a_daemon(starter: Starter) -> None:
    """In the foreground the pid file is still the block's; a lock that is sealed for its parent no daemon can have."""
    done = starter.run(f"""{BEGIN}
lock = PidLockFile(where + "/d.pid")
with lock:
    Daemon(print, ["ran"], detach=False, pid_file=lock, prevent_core=False).start()
    print(os.path.exists(lock.path))
    try:
        Daemon(detach=True, pid_file=lock).start()
    except RuntimeError as error:
        print(error)
    print(os.path.exists(lock.path))
""")
    assert (done.returncode, done.stderr) == (0, "")
    said = "the pid file belongs to this process; acquire() it without seal() for the daemon"
    assert done.stdout == f"ran\nTrue\n{said}\nTrue\n"
    assert left(starter) == []


@both_ways
@pytest.mark.parametrize("way_out", ["sys.exit('no directory')", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_a_start_that_ends_of_something_else(starter: Starter, way: str, way_out: str) -> None:
    """It is one line for the parent, and cleans up as at any other end."""
    own = f"""
class Own(Daemon):
    def redirect_streams(self):
        self.kept = tempfile.TemporaryDirectory(dir=where)
        warnings.simplefilter("ignore", ResourceWarning)
        {way_out}
        super().redirect_streams()
def target(): pass
"""
    done = run(starter, own + way.replace("Daemon(", "Own("))
    said = "no directory\n" if "no directory" in way_out else "the daemon ended before it was ready\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    assert left(starter) == []


def test_an_error_after_the_activation(starter: Starter) -> None:
    """It has last words, as that of a target has."""
    program = """
def target(): raise KeyError("last words")
"""
    done = starter.run(BEGIN + program + ACTIVATE.replace("d.activate()", "d.name = 'named'\nd.activate()"))
    assert done.returncode == 0
    wait(starter)
    assert left(starter) == ["named.errors"]
    assert "KeyError: 'last words'" in (starter.directory / "named.errors").read_text(encoding="utf-8")
    wait_for(lambda: "KeyError" in (starter.directory / "err").read_text(encoding="utf-8"))


def test_int_at_the_end(starter: Starter) -> None:
    """It is no other request than TERM then, and nothing that is still to be done is left out."""
    program = """
def target():
    atexit.register(note, "done")
    atexit.register(lambda: [os.kill(os.getpid(), signal.SIGINT) for _ in range(3)])
    threading.Thread(target=lambda: (time.sleep(0), os.kill(os.getpid(), signal.SIGINT))).start()
"""
    assert run(starter, program + START).returncode == 0
    assert notes(starter) == ["done daemon"]


def test_last_words_that_nobody_reads(starter: Starter) -> None:
    """TERM ends the wait for a reader of standard error."""
    os.mkfifo(starter.directory / "full")
    program = """
full = os.open(where + "/full", os.O_RDWR | os.O_NONBLOCK)
try:
    while True: os.write(full, b"x" * 4096)
except BlockingIOError:
    os.set_blocking(full, True)
def target():
    here()
    sys.exit("bad thing")
d = Daemon(target, detach=True, pid_file=where + "/d.pid", stderr=full)
d.start()
d.report()
"""
    assert starter.run(BEGIN + program).returncode == 0
    end(starter)
    assert left(starter) == ["full"]


def test_a_program_that_closes_everything(starter: Starter) -> None:
    """Also the lock: the daemon still ends in itself, and not in its caller's program."""
    done = starter.run(f"""{BEGIN}
def target(): os.closerange(3, 1024)
d = Daemon(target, detach=True, pid_file=where + "/d.pid")
try:
    d.start()
finally:
    note("here")
""")
    wait_for(lambda: read_pid(starter.directory / "d.pid") is None)
    assert (done.returncode, done.stderr) == (0, "")
    assert notes(starter) == ["here caller"]


@pytest.mark.parametrize("way", ["raise KeyError('no files')", "atexit.register(lambda: 1 / 0)"], ids=["run", "exit"])
def test_an_error_when_nothing_can_be_imported(starter: Starter, way: str) -> None:
    """It is told in one line, since a traceback needs files, and nothing goes round in circles."""
    program = f"""
import atexit, resource
def target():
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    {way}
d = Daemon(target, detach=True, pid_file=where + "/d.pid", stderr=where + "/err")
d.start()
d.report()
"""
    assert starter.run(program, *UNMEASURED).returncode == 0
    wait(starter)
    said = (starter.directory / "err").read_text(encoding="utf-8")
    assert len(said.splitlines()) < 50, said[:1000]
    assert ("no files" if "raise" in way else "Error") in said


@both_ways
def test_an_own_clean_up(starter: Starter, way: str) -> None:
    """It is called once, in the daemon, and an error in it leads nowhere."""
    own = """
class Own(Daemon):
    def let_go(self):
        note("cleaned up")
        super().let_go()
        raise OSError("why")
def target(): pass
"""
    done = run(starter, own + way.replace("Daemon(", "Own("))
    assert (done.returncode, done.stderr) == (0, "")
    assert notes(starter) == ["cleaned up daemon"]


def test_children_of_a_clean_up(starter: Starter) -> None:
    """TERM is their first, however short ago the daemon's was."""
    program = """
def target():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.write(writer, b"x")
                while True: time.sleep(0.01)
            finally:
                os._exit(5)
        os.read(reader, 1)
        os.kill(child, signal.SIGTERM)
        note(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(starter, program + START).returncode == 0
    assert notes(starter) == ["5 daemon"]


def test_a_handler_that_only_notes_it(starter: Starter) -> None:
    """When run() has ended, TERM ends what is waited for all the same."""
    program = """
event = threading.Event()
def noted(*_): event.set()
def target():
    threading.Thread(target=work_for_ever).start()
    os.kill(os.getpid(), signal.SIGTERM)
    event.wait()
"""
    way = START.replace("detach=True", "detach=True, signal_map={'TERM': noted}")
    assert starter.run(BEGIN + program + way).returncode == 0
    end(starter)
    assert left(starter) == []


def test_multiprocessing_before_the_fork(starter: Starter) -> None:
    """Its helpers are the parent's: the daemon has its own, and none of its files gets what was meant for them."""
    program = """
from multiprocessing import shared_memory
def use():
    memory = shared_memory.SharedMemory(create=True, size=10)
    memory.close()
    memory.unlink()
    process = multiprocessing.get_context("forkserver").Process(target=int)
    process.start()
    process.join()
    return process.exitcode
if __name__ == "__main__":
    print(use())
    def target():
        files = [open(f"{where}/victim{number}", "w", buffering=1) for number in range(12)]
        note(f"status {use()}")
        note(sum(os.path.getsize(file.name) for file in files))
        for file in files:
            file.close()
            os.unlink(file.name)
"""
    done = run(starter, program + "".join(f"    {line}\n" for line in START.splitlines()))
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
    assert notes(starter) == ["0 daemon", "status 0 daemon"]
