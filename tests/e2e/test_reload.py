"""The reload: all of the new file, or nothing of it."""

from __future__ import annotations

import os
import re
import signal
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.driven import flooded, inheriting, on_terminal, run, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.driven import Flagman

    Start = Callable[..., Flagman]

HUP, USR1, USR2, TERM, QUIT = signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGQUIT

RELOADING = re.compile(r"RELOADING=1\nMONOTONIC_USEC=([0-9]+)")


def on(signal_: str, action: str, *arguments: str, **options: str) -> str:
    """Return the text of one binding."""
    more = "".join(f'{key.replace("_", "-")} = "{value}"\n' for key, value in options.items())
    key = signal_ if " = " in signal_ else f'signal = "{signal_}"'
    return f'[[on]]\n{key}\naction = "{action}"\nargs = {list(arguments)}\n{more}'.replace("'", '"')


class Configured:
    """A daemon with a file, which reloads at HUP."""

    def __init__(self, start: Start, directory: Path, *bindings: str, arguments: tuple[str, ...] = ()) -> None:
        self.path = directory / "flagman.toml"
        self.write(*bindings)
        self.daemon: Flagman = start("-c", str(self.path), "--hup", "reload", "--overlap", "rerun", *arguments)
        self.daemon.ready()

    def write(self, *tables: str) -> None:
        """Write another file."""
        self.path.write_text("\n".join(tables), encoding="utf-8")

    def reload(self, *tables: str) -> str:
        """Make the daemon follow another file, and return the status that it reports then."""
        self.write(*tables)
        before = time.monotonic_ns() // 1000
        self.daemon.signal(HUP)
        while not (found := RELOADING.fullmatch(self.daemon.notified())):
            pass
        assert before <= int(found[1]) <= time.monotonic_ns() // 1000
        while not (message := self.daemon.notified()).startswith("READY=1\nSTATUS="):
            assert message.startswith("STATUS="), message
        return message.removeprefix("READY=1\nSTATUS=")


def test_what_does_not_change_keeps_its_state(start: Start, tmp_path: Path) -> None:
    """A reload keeps unchanged actions, sets up new ones, tears down old ones, and takes the order of the new file."""
    counter, first, second = on("USR1", "acts:Counter", "kept"), on("USR1", "print", "1"), on("USR1", "print", "2")
    configured = Configured(start, tmp_path, counter, first, on("USR2", "print", "gone"))
    daemon = configured.daemon.expect("init", "init").signal(USR1).expect("1")
    status = configured.reload(second, counter, first)
    assert re.fullmatch(r"Ready: usr1 runs 3 actions, hup runs 1 action; last: \w+ at [\d:]{8}, good", status)
    daemon.expect("init", "cleanup").signal(USR1).expect("2", "1")
    daemon.signal(USR2).expect_error("Received `usr2`, but no action is bound to it")
    configured.reload(counter)
    daemon.expect("cleanup", "cleanup").signal(USR1)
    settle(daemon.process.pid)
    daemon.stop("kept: 3")


def test_the_same_binding_twice(start: Start, tmp_path: Path) -> None:
    """Two equal bindings are two actions, and if one is removed, one action is torn down."""
    twice = on("USR1", "print", "x")
    configured = Configured(start, tmp_path, twice, twice)
    daemon = configured.daemon.expect("init", "init")
    configured.reload(twice)
    daemon.expect("cleanup").signal(USR1).expect("x")
    configured.reload(twice, twice, twice)
    daemon.expect("init", "init").signal(USR1).expect("x", "x", "x").stop(*["cleanup"] * 3)


BROKEN = {
    "is not TOML": "[[on]\n",
    "[[on]] #2: key 'action': unknown action 'prin'; did you mean 'print'?": on("USR2", "prin"),
    "[[on]] #2: key 'signal': 'USR' is not a signal": on("USR", "print", "x"),
    "[flagman]: key 'overlap': 'yes' is not one of": '[flagman]\noverlap = "yes"\n',
    "setting up `acts:FailSetUp` failed: RuntimeError: no set-up today": on("USR2", "acts:FailSetUp"),
    "--log-file '/no/such/log': cannot be opened: No such file or directory": '[flagman]\nlog-file = "/no/such/log"\n',
    "[logging]: Unable to configure handler 'bad'": (
        '[logging]\nversion = 1\nhandlers.bad.class = "x.Y"\nroot.handlers = ["bad"]\n'
    ),
}


@pytest.mark.parametrize("message", BROKEN)
def test_all_stays_if_anything_is_wrong(start: Start, tmp_path: Path, message: str) -> None:
    """A mistake is reported to log and manager, nothing changes, and the next good file is followed."""
    old = on("USR1", "acts:Counter", "kept"), on("USR1", "print", "old")
    configured = Configured(start, tmp_path, *old)
    daemon = configured.daemon.expect("init")
    table = BROKEN[message]
    new = on("USR1", "print", "new")
    status = configured.reload(*([new, table] if table.startswith("[[on]]") else [table, new]))
    assert status.startswith("Ready: usr1 runs 2 actions, hup runs 1 action; reload failed at ")
    record = daemon.expect_error("ERROR:flagman.reload:Reload failed, the old configuration stays: ")
    for text in (status, record):
        assert message in text
        assert "setting up" in message or "log-file" in table or f"{configured.path}: " in text
    if "FailSetUp" in table or "log" in table:
        daemon.expect("init", "cleanup")  # the new action that could be set up
    daemon.signal(USR1).expect("old")
    while not (line := daemon.notified()).endswith("good"):
        pass
    assert "; reload failed at " in line  # until the file is corrected
    configured.reload(new)
    daemon.expect("init", "cleanup", "kept: 1").signal(USR1).expect("new").stop("cleanup")


def handled(daemon: Flagman) -> set[int]:
    """Return the signals that the process handles."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="ascii")
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status)
    assert caught
    mask = int(caught[1], 16)
    return {signum for signum in signal.valid_signals() if mask >> (signum - 1) & 1}


def test_dispositions_follow(start: Start, tmp_path: Path) -> None:
    """A signal that has lost its last action behaves as one that never had any."""
    configured = Configured(start, tmp_path, on("WINCH", "print", "winch"), on("QUIT", "print", "quit"))
    daemon = configured.daemon.expect("init", "init")
    base = handled(daemon) - {signal.SIGWINCH}
    daemon.signal(QUIT).expect("quit").signal(signal.SIGWINCH).expect("winch")
    configured.reload(on("USR1", "print", "usr1"), on("RTMIN+3", "print", "three"))
    daemon.expect("init", "init", "cleanup", "cleanup")
    assert handled(daemon) == base | {signal.SIGRTMIN + 3}
    daemon.signal(QUIT).expect_error("most recent call first")
    daemon.signal(signal.SIGRTMIN + 3).expect("three").signal(signal.SIGWINCH, USR1).expect("usr1")
    configured.reload(on("QUIT", "print", "again"))
    daemon.expect("init", "cleanup", "cleanup").signal(QUIT).expect("again")
    assert handled(daemon) == base
    daemon.stop("cleanup")


def test_a_hangup_without_actions_is_a_stop_again(start: Start, tmp_path: Path) -> None:
    """A hangup that has lost its actions is a stop, even one that comes while the file is read."""
    path = tmp_path / "flagman.toml"
    path.write_text(on("HUP", "reload") + on("USR1", "print", "x"), encoding="utf-8")
    daemon: Flagman = start("-c", str(path), prefix=on_terminal()).ready().expect("init")
    path.write_text(on("USR1", "print", "x"), encoding="utf-8")
    daemon.signal(HUP)
    while "READY=1" not in daemon.notified():
        pass
    daemon.signal(HUP).expect("cleanup", "")
    assert daemon.status() == 0


def test_the_policies_of_a_kept_action_change(start: Start, tmp_path: Path) -> None:
    """A change of policy keeps the action's instance."""
    configured = Configured(start, tmp_path, on("USR1", "acts:Fail", "ValueError"))
    daemon = configured.daemon.expect("init").signal(USR1)
    daemon.expect_error(": failed after ")
    configured.reload(on("USR1", "acts:Fail", "ValueError", on_error="exit"))
    daemon.signal(USR1).expect_error(": failed after ")
    daemon.expect("cleanup", "")
    assert daemon.status() == 1


def test_timers_follow(start: Start, tmp_path: Path) -> None:
    """A new timer ticks, a removed one does not, and a single tick that is over stays over."""
    configured = Configured(
        start, tmp_path, on('every = "20ms"', "print", "tick"), on('after = "10ms"', "print", "once")
    )
    daemon = configured.daemon.expect("init", "init")
    lines = [daemon.out.next() for _ in range(10)]
    assert lines.count("once") == 1
    configured.reload(on('after = "10ms"', "print", "once"), on('after = "10ms"', "print", "new"))
    lines = []
    while "new" not in lines:
        lines.append(daemon.out.next())
    assert set(lines) - {"tick"} == {"init", "cleanup", "new"}
    assert lines.index("cleanup") > lines.index("init")
    assert "tick" not in lines[lines.index("cleanup") :]
    configured.reload(on('every = "10ms"', "print", "other"))
    daemon.expect("init", "cleanup", "cleanup", "other", "other", "other").signal(TERM)
    assert [line for line in daemon.out.rest() if line != "other"] == ["cleanup"]
    assert daemon.status() == 0


def test_held_signals_are_not_lost(start: Start, tmp_path: Path) -> None:
    """A debounce that ends or changes in a reload lets through what it held."""
    binding = on("USR1", "print", "x", debounce="1h")
    configured = Configured(start, tmp_path, binding)
    daemon = configured.daemon.expect("init").signal(USR1)
    settle(daemon.process.pid)
    configured.reload(on("USR1", "print", "x"))
    daemon.expect("x").signal(USR1).expect("x").stop("cleanup")


def test_settings_follow(start: Start, tmp_path: Path) -> None:
    """A reload changes the log, the output of commands, and the stop timeout."""
    log = tmp_path / "log"
    configured = Configured(start, tmp_path, on("USR1", "sh", "echo out"))
    daemon = configured.daemon.signal(USR1).expect("out")
    table = f'[flagman]\nlog-file = "{log}"\nlog-level = "info"\noutput = "log"\nstop-timeout = "50ms"\n'
    configured.reload(table, on("USR1", "sh", "echo out"), on("USR2", "sh", "echo begun >&2; sleep 1000"))
    daemon.signal(USR1, USR2)
    limit = time.monotonic() + 60
    while "begun" not in (text := log.read_text(encoding="utf-8")):
        assert time.monotonic() < limit
    assert "INFO:flagman.actions.output:echo out: out" in text
    daemon.signal(TERM).expect("")
    assert daemon.status() == 0
    assert "longer than the stop timeout of 0.05 s" in log.read_text(encoding="utf-8")


def test_a_table_leaves_the_handlers_of_plugins_alone(start: Start, tmp_path: Path) -> None:
    """Handlers of plugins stay when the table changes and when it goes."""
    table = """[logging]
version = 1
handlers.own = {class = "logging.StreamHandler"}
root = {handlers = ["own"], level = "%s"}"""
    own = tmp_path / "own.log"
    binding = on("USR1", "talkative:Fail")
    path = tmp_path / "flagman.toml"
    path.write_text(binding + table % "INFO", encoding="utf-8")
    daemon: Flagman = start("-c", str(path), "--hup", "reload", environment={"TALKATIVE": str(own)}).ready()
    for number, text in enumerate((table % "INFO", table % "WARNING", "", table % "DEBUG"), 1):
        path.write_text(binding + text, encoding="utf-8")
        daemon.signal(HUP).ready()
        daemon.signal(USR1)
        daemon.expect_error("as it should")
        assert own.read_text(encoding="utf-8").count("about to fail") == number
    daemon.stop()


TAKEN = {
    "reload": "The new configuration has no action `reload`: restart flagman to load later changes",
    "print": "HUP has no actions any more: from now on it stops this daemon",
}


@pytest.mark.parametrize("action", TAKEN)
def test_what_takes_the_reload_away(start: Start, tmp_path: Path, action: str) -> None:
    """A reload that takes away the last `reload`, or the last action of HUP, gives one warning, and none before."""
    path = tmp_path / "flagman.toml"
    arguments = ["x"] if action == "print" else []
    asks, taken = on("USR2", "reload"), on("HUP", action, *arguments)
    always = asks if action == "print" else on("HUP", "print", "y")
    path.write_text(taken + taken + always, encoding="utf-8")
    daemon: Flagman = start("-c", str(path), "--overlap", "rerun", prefix=on_terminal()).ready()
    asking = USR2 if action == "print" else HUP
    path.write_text(taken + always, encoding="utf-8")
    daemon.signal(asking).ready()
    path.write_text(always, encoding="utf-8")
    daemon.signal(asking).ready()
    daemon.signal(TERM)
    assert daemon.status() == 0
    warnings = [line for line in daemon.err.rest() if line.startswith("WARNING")]
    assert warnings == [f"WARNING:flagman.reload:{TAKEN[action]}"]


def test_a_hang_up_that_means_nothing(start: Start, tmp_path: Path) -> None:
    """A hangup without actions that was inherited as ignored, as under nohup, is reported to have no effect."""
    path = tmp_path / "flagman.toml"
    path.write_text(on("USR2", "reload") + on("HUP", "print", "x"), encoding="utf-8")
    daemon: Flagman = start("-c", str(path), prefix=on_terminal(*inheriting(ignored=[HUP]))).ready()
    path.write_text(on("USR2", "reload"), encoding="utf-8")
    daemon.signal(USR2).expect_error("HUP has no actions any more: from now on it has no effect")
    daemon.signal(HUP).stop("init", "cleanup")


def test_a_file_by_a_name_that_leads_elsewhere_by_now(start: Start, tmp_path: Path) -> None:
    """A relative file is found through the name of the start's directory in PWD, if that is correct."""
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        (tmp_path / number / "c.toml").write_text(on("USR1", "print", number), encoding="utf-8")
    current = tmp_path / "current"
    current.symlink_to("1")
    daemon: Flagman = start(
        *("-c", "c.toml", "--hup", "reload"),
        prefix=["sh", "-c", f'cd {current} && exec "$@"', "sh"],
        environment={"PWD": str(current)},
    ).ready()
    daemon.expect("init").signal(USR1).expect("1")
    current.unlink()
    current.symlink_to("2")
    daemon.signal(HUP).expect("init", "cleanup").signal(USR1).expect("2").stop("cleanup")


def test_a_byte_order_mark(start: Start, tmp_path: Path) -> None:
    """A byte order mark, which some editors write, is accepted."""
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbf" + on("USR1", "print", "x").encode())
    daemon: Flagman = start("-c", "c.toml").ready().expect("init").signal(USR1).expect("x")
    daemon.stop("cleanup")


def test_a_table_for_logging_comes_and_goes(start: Start, tmp_path: Path) -> None:
    """When the table for logging is removed, no logger keeps its settings."""
    table = """[logging]
version = 1
disable_existing_loggers = false
formatters.own.format = "OWN %(message)s"
handlers.own = {class = "logging.StreamHandler", formatter = "own"}
loggers."flagman.log" = {handlers = ["own"], propagate = false, level = "INFO"}
"""
    binding = on("USR1", "log", "warning", "message")
    configured = Configured(start, tmp_path, binding)
    daemon = configured.daemon.signal(USR1)
    daemon.expect_error("WARNING:flagman.log:message")
    configured.reload(binding, table)
    assert daemon.signal(USR1).expect_error("message") == "OWN message"
    configured.reload(binding)
    daemon.signal(USR1).expect_error("WARNING:flagman.log:message")
    daemon.stop()


def test_a_stop_during_the_reload(start: Start, tmp_path: Path) -> None:
    """A stop during a reload tears down new and old actions."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    configured = Configured(start, tmp_path, on("USR1", "print", "x"))
    daemon = configured.daemon.expect("init")
    configured.write(on("USR2", "acts:SlowSetUp", "slow", str(fifo)), on("USR2", "print", "y"))
    daemon.signal(HUP).expect("slow: init", "slow: begin").signal(TERM)
    fifo.write_text("go\n", encoding="utf-8")
    daemon.expect("slow: end", "slow: cleanup", "cleanup", "")
    assert daemon.status() == 0
    assert daemon.pending()[-1] == "STOPPING=1"


@pytest.mark.parametrize("how", ["a second TERM", "the stop timeout"])
def test_a_file_that_hangs(start: Start, tmp_path: Path, how: str) -> None:
    """Opening a file that hangs can be interrupted as an action can."""
    timeout = "1000s" if how == "a second TERM" else "50ms"
    configured = Configured(start, tmp_path, on("USR1", "print", "x"), arguments=("--stop-timeout", timeout))
    daemon = configured.daemon.expect("init")
    configured.path.unlink()
    os.mkfifo(configured.path)
    daemon.signal(HUP)
    while not RELOADING.fullmatch(daemon.notified()):
        pass
    settle(daemon.process.pid)
    daemon.signal(TERM)
    if how == "a second TERM":
        settle(daemon.process.pid)
        daemon.signal(TERM)
    daemon.expect_error("Reload failed, the old configuration stays: it was interrupted: ")
    daemon.expect("cleanup", "")
    assert daemon.status() == 0


def test_signals_that_arrive_meanwhile_are_not_lost(start: Start, tmp_path: Path) -> None:
    """A signal during a reload runs the actions of the new file."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    configured = Configured(start, tmp_path, on("USR1", "print", "old"), on("USR2", "print", "two"))
    daemon = configured.daemon.expect("init", "init")
    configured.write(
        on("USR1", "print", "new"),
        on("USR2", "print", "two", debounce="1ms"),
        on("WINCH", "acts:SlowSetUp", "slow", str(fifo)),
    )
    daemon.signal(HUP).expect("init", "slow: init", "slow: begin").signal(USR1, USR2)
    fifo.write_text("go\n", encoding="utf-8")
    daemon.expect("slow: end", "cleanup")
    assert sorted([daemon.out.next(), daemon.out.next()]) == ["new", "two"]
    daemon.stop("slow: cleanup", "cleanup", "cleanup")


def test_the_reload_comes_before_other_flags(start: Start, tmp_path: Path) -> None:
    """A reload comes before other flags, and after the other actions of its own bundle."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    path = tmp_path / "flagman.toml"
    text = on("HUP", "reload") + on("HUP", "acts:Gate", "gate", str(fifo))
    path.write_text(text + on("USR1", "print", "old"), encoding="utf-8")
    daemon: Flagman = start("-c", str(path)).ready().expect("gate: init", "init")
    path.write_text(text + on("USR1", "print", "new"), encoding="utf-8")
    daemon.signal(HUP).expect("gate: begin")
    first = RELOADING.fullmatch(daemon.notified())
    daemon.signal(USR1)
    daemon.signal(HUP)  # is ignored, but noted all the same
    settle(daemon.process.pid)
    fifo.write_text("go\n", encoding="utf-8")
    daemon.expect("gate: end", "init", "cleanup", "new")
    while not (second := RELOADING.fullmatch(daemon.notified())):
        pass
    assert first
    assert int(first[1]) < int(second[1])
    daemon.stop("cleanup", "gate: cleanup")


def test_there_must_be_a_file() -> None:
    """The action reload is refused without a file to read again."""
    done = run("--hup", "reload")
    assert done.returncode == 2
    assert done.stderr == "flagman: error: the action 'reload' needs a configuration file; give one with --config\n"


def test_a_file_without_bindings(start: Start, tmp_path: Path) -> None:
    """A reload is refused if the file leaves no action."""
    path = tmp_path / "flagman.toml"
    path.write_text(on("HUP", "reload"), encoding="utf-8")
    daemon: Flagman = start("-c", str(path)).ready()
    path.write_text("", encoding="utf-8")
    daemon.signal(HUP).expect_error(f"the old configuration stays: {path} binds no action")
    path.unlink()
    daemon.signal(HUP).expect_error(f"{path}: cannot be read: No such file or directory")
    daemon.stop()


def test_a_file_that_cannot_be_opened_any_more(start: Start, tmp_path: Path) -> None:
    """A reload fails if the file cannot be opened for lack of descriptors, and the daemon goes on."""
    binding = on("USR1", "acts:Exhaust") + on("USR1", "print", "next")
    configured = Configured(start, tmp_path, binding)
    daemon = configured.daemon.expect("init").signal(USR1).expect("next")
    assert "cannot be read: Too many open files" in configured.reload(binding)
    daemon.signal(USR1).expect("next").stop("cleanup")


@pytest.mark.slow
def test_thousands_of_reloads_under_a_storm(start: Start, tmp_path: Path) -> None:
    """In thousands of reloads under a storm no edge is lost, and nothing is left behind."""
    kept = [on("USR1", "acts:Counter", "usr1"), on("WINCH", "acts:Echo", "edge"), on('every = "1h"', "exec", "true")]
    files = ["".join([*kept, on("USR2", "print", str(number))]) for number in range(2)]
    # Not measured, because coverage takes longer than all the rest.
    measured = {name: None for name in os.environ if name.startswith("COVERAGE")}
    configured = Configured(partial(start, environment=measured), tmp_path, files[1])
    daemon = configured.daemon.expect("init")
    with flooded(daemon, USR1, pause=0.001):
        other = tmp_path / "other.toml"
        sizes: list[int] = []
        for number in range(2000):
            other.write_text(files[number % 2], encoding="utf-8")
            other.replace(configured.path)
            daemon.signal(signal.SIGWINCH, HUP, signal.SIGWINCH)
            sent = time.monotonic_ns()
            daemon.signal(signal.SIGWINCH)
            seen = {"init": 0, "cleanup": 0}
            late = False
            while not (late and seen == {"init": 1, "cleanup": 1}):
                word, _, moment = daemon.out.next().partition(" ")
                if word == "edge":
                    late = late or int(moment) >= sent
                else:
                    seen[word] += 1
            daemon.pending()
            if number in (999, 1999):  # until then the interpreter's own memory grows to its final size
                sizes += [len(os.listdir(f"/proc/{daemon.process.pid}/fd")), resident(daemon)]  # noqa: PTH208
        assert sizes[0] == sizes[2]
        assert sizes[3] - sizes[1] < 1024, "kilobytes"
        daemon.signal(TERM)
        last = daemon.out.next()
        while last.startswith("edge"):  # the last signal may have begun another run
            last = daemon.out.next()
        assert last == "cleanup"
        assert int(daemon.out.next().removeprefix("usr1: ")) > 1000
        assert daemon.status() == 0


def resident(daemon: Flagman) -> int:
    """Return the resident memory in kilobytes."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


def test_a_broken_table_for_logging_undoes_nothing(start: Start, tmp_path: Path) -> None:
    """After a broken table handlers stay open, its loggers are reset, and filters do not pile up."""
    log = tmp_path / "log"
    handlers = f'handlers.f = {{class = "logging.FileHandler", filename = "{log}", mode = "w", filters = ["o"]}}'
    table = f"""[logging]
version = 1
disable_existing_loggers = false
filters.o = {{name = "flagman.log"}}
{handlers}
root = {{handlers = ["f"], filters = ["o"]}}
"""
    binding = on("USR1", "log", "warning", "message") + on("USR1", "print", "done")
    configured = Configured(start, tmp_path, binding, table)
    daemon = configured.daemon.expect("init").signal(USR1).expect("done")
    broken = """[logging]
version = 1
loggers."flagman.log" = {propagate = false, level = "CRITICAL"}
root.handlers = ["nobody"]
"""
    assert "[logging]: Unable to configure root logger" in configured.reload(binding, broken)
    daemon.signal(USR1).expect("done")
    assert log.read_text(encoding="utf-8").splitlines() == ["message"] * 2
    configured.reload(binding)
    daemon.signal(USR1).expect("done").expect_error("WARNING:flagman.log:message")
    daemon.signal(USR2).expect_error("Received `usr2`")  # the filter would have rejected the record
    daemon.stop("cleanup")


def test_many_mistakes_are_told_as_far_as_there_is_room(start: Start, tmp_path: Path) -> None:
    """Mistakes are reported up to the 4096 bytes that the manager reads of a message."""
    configured = Configured(start, tmp_path, on("USR1", "print", "x"))
    status = configured.reload(on("USR3", "prnt") * 50)
    assert "[[on]] #1: key 'signal': 'USR3'" in status
    assert status.endswith("...")
    configured.reload(on("USR1", "print", "x"))
    configured.daemon.expect("init").stop("cleanup")


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit", "GeneratorExit", "MemoryError"])
@pytest.mark.parametrize("where", ["check", "set_up"])
def test_a_plugin_that_raises_anything(start: Start, tmp_path: Path, error: str, where: str) -> None:
    """A plugin that raises any exception during a reload does not end the daemon."""
    configured = Configured(start, tmp_path, on("USR1", "print", "x"))
    assert error in configured.reload(on("USR1", "print", "x"), on("USR2", "acts:Explodes", where, error))
    configured.daemon.expect("init").signal(USR1).expect("x").stop("cleanup")


def test_what_a_failed_reload_has_added_is_gone(start: Start, tmp_path: Path) -> None:
    """A failed reload also removes the actions that new actions have added."""
    configured = Configured(start, tmp_path, on("USR1", "print", "x"))
    daemon = configured.daemon.expect("init")
    configured.reload(on("USR1", "print", "x"), on("USR2", "acts:Adds", "usr1"), on("USR2", "acts:FailSetUp"))
    daemon.expect("init", "cleanup").signal(USR1).expect("x").stop("cleanup")


@pytest.mark.parametrize("is_good", [True, False])
def test_a_plugin_that_takes_the_signals(start: Start, tmp_path: Path, *, is_good: bool) -> None:
    """After a reload that loads a plugin that takes the signals, they are the daemon's again, even if it failed."""
    configured = Configured(start, tmp_path, on("USR1", "print", "before"))
    bindings = [on("USR1", "print", "before"), on("USR2", "deaf:Deaf"), on("USR1", "sh", "sleep 1000", timeout="50ms")]
    if not is_good:
        bindings.append(on("USR1", "no-such-action"))
    configured.reload(*bindings)
    daemon = configured.daemon.expect("init").signal(USR1).expect("before")
    if is_good:
        daemon.expect_error("took longer than the timeout")
    daemon.stop("cleanup")


def test_a_plugin_that_takes_the_signals_at_the_start(start: Start) -> None:
    """A plugin that takes the signals at the start, even in its set_up, does not prevent a stop."""
    daemon = start("--timeout", "50ms", "--usr2", "deaf:Deaf", "--usr1", "sh", "sleep 1000").ready()
    daemon.stop()


def test_a_signal_that_a_plugin_handles_itself(start: Start, tmp_path: Path) -> None:
    """A signal that a plugin handles, and to which no action is bound, is left to the plugin at start and reload."""
    configured = Configured(start, tmp_path, on("USR1", "acts:TakesSignal"))
    for _ in range(2):
        configured.daemon.signal(USR2).expect("mine")
        configured.reload(on("USR1", "acts:TakesSignal"))


def test_the_first_reload_after_a_failure_is_told_and_so_is_what_needs_a_restart(start: Start, tmp_path: Path) -> None:
    """A failure is not the last word in the log, and an option that a reload cannot change is named once."""
    path = tmp_path / "c.toml"
    path.write_text(on("USR1", "print", "x"), encoding="utf-8")
    daemon: Flagman = start("-c", str(path)).ready()
    path.write_text("wrong", encoding="utf-8")
    daemon.signal(HUP).expect_error("Reload failed")
    path.write_text('[flagman]\numask = "027"\n' + on("USR1", "print", "x"), encoding="utf-8")
    daemon.signal(HUP).expect_error("WARNING:flagman.cli:umask: a change takes effect only after a restart")
    daemon.expect_error("WARNING:flagman.reload:Reloaded: ")
    daemon.signal(HUP, TERM)
    assert daemon.status() == 0
    assert not [line for line in daemon.err.rest() if "restart" in line or "Reloaded" in line]
