"""flagman under a real systemd manager, with the unit that the documentation recommends."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import sysconfig
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.systemd import unit_syntax
from support.driven import LIB, marked, run, wait_for
from support.over_tcp import TOKEN
from support.processes import with_mark
from support.programs import words
from support.programs.inits import as_main_process
from support.serving import Client
from support.unix import request
from support.wrapped import TELL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.user_manager import Manager

UNIT = """[Unit]
Description=flagman under test
StartLimitIntervalSec=0

[Service]
Type={type}
NotifyAccess=main
{environment}ExecStart={command}
StandardOutput=append:{output}
StandardError=append:{output}
"""


ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


class Service:
    """A unit that runs flagman."""

    def __init__(self, manager: Manager, output: Path, environment: str, flagman: str) -> None:
        self.manager = manager
        self.output = output
        self.environment = environment
        self.flagman = flagman
        self.unit = "flagman-under-test.service"

    def define(self, arguments: str, more: str = "", type_: str = "notify") -> None:
        """Install the unit, with these additional lines in its section [Service]."""
        command = f"{self.flagman} {arguments}"
        environment = self.environment + more
        text = UNIT.format(type=type_, environment=environment, command=command, output=self.output)
        self.manager.install(self.unit, text)

    def lines(self) -> list[str]:
        """Return what the daemon has printed and logged."""
        return self.output.read_text(encoding="utf-8").splitlines()

    def wait_for(self, line: str) -> None:
        """Wait for a line of output."""
        self.manager.check(f"timeout 60 sh -c \"tail -n +1 -F {self.output} 2>&- | grep -q -m 1 -x '{line}'\"")

    def systemctl(self, verb: str) -> tuple[int, str]:
        """Run a verb of systemctl on the unit."""
        return self.manager.run(f"systemctl --user {verb} {self.unit}")

    def show(self, name: str) -> str:
        """Return a property of the unit."""
        return self.manager.show(self.unit, name)


@pytest.fixture(name="flagman")
def _flagman() -> str:
    """Return the command that starts flagman, as it stands in a unit."""
    return str(Path(sysconfig.get_path("scripts")) / "flagman")


@pytest.fixture(name="environment")
def _environment() -> str:
    """Return lines of a unit with which flagman finds the actions for tests, and coverage its configuration."""
    names = [name for name in os.environ if name.startswith("COVERAGE")]
    return f"Environment=PYTHONPATH={LIB}\nPassEnvironment={' '.join(names)}\n"


@pytest.fixture(name="service")
def _service(manager: Manager, tmp_path: Path, environment: str, flagman: str) -> Iterator[Service]:
    """Yield a unit that is not defined yet, and stop it in the end."""
    service = Service(manager, tmp_path / "output", environment, flagman)
    yield service
    service.systemctl("stop")
    service.systemctl("reset-failed")


def test_start_returns_when_everything_is_set_up(service: Service, tmp_path: Path) -> None:
    """A start blocks until READY, which comes after the slowest set_up, and then the status text is there."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    service.define(f"--usr1 acts:SlowSetUp slow {fifo} --usr1 print hello")
    assert service.systemctl("start --no-block")[0] == 0
    service.wait_for("slow: begin")
    assert service.show("ActiveState") == "activating"
    with fifo.open("w", encoding="utf-8") as gate:
        gate.write("go\n")
    assert service.systemctl("start") == (0, "")
    assert service.show("ActiveState") == "active"
    assert service.show("StatusText") == "Ready: usr1 runs 2 actions"
    assert service.lines()[-1] == "init"


def test_a_signal_to_the_main_process_runs_the_action(service: Service) -> None:
    """A signal to the main process, as the documentation's timer sends it, runs the action."""
    service.define("--usr1 print hello")
    assert service.systemctl("start") == (0, "")
    assert service.systemctl("kill --kill-who=main --signal=USR1") == (0, "")
    service.wait_for("hello")
    assert service.show("ActiveState") == "active"
    limit = time.monotonic() + 60
    while not re.fullmatch(r"Ready: usr1 runs 1 action; last: usr1 at [0-9:]{8}, good", service.show("StatusText")):
        assert time.monotonic() < limit


def test_stop_is_graceful(service: Service) -> None:
    """A stop tears the actions down, and the unit has not failed."""
    service.define("--usr1 print hello")
    assert service.systemctl("start") == (0, "")
    assert service.systemctl("stop") == (0, "")
    assert service.lines()[-1] == "cleanup"
    assert (service.show("ActiveState"), service.show("Result")) == ("inactive", "success")
    assert service.show("ExecMainStatus") == "0"


def test_process_1_is_the_main_process(service: Service, tmp_path: Path) -> None:
    """The manager takes messages from the init in front of the daemon, which it knows as the main process."""
    script = tmp_path / "start"
    start = shlex.join(words(as_main_process, service.flagman, "--usr1", "print", "hello"))
    script.write_text(f"exec {start}\n", encoding="utf-8")
    service.flagman = f"/bin/sh {script}"
    service.define("")
    assert service.systemctl("start") == (0, "")
    assert service.show("StatusText") == "Ready: usr1 runs 1 action"
    main = Path(f"/proc/{service.show('MainPID')}/status").read_text(encoding="ascii")
    assert re.search(r"^NSpid:\t\d+\t1$", main, re.MULTILINE)
    assert service.systemctl("kill --kill-who=main --signal=USR1") == (0, "")
    service.wait_for("hello")
    assert service.systemctl("stop") == (0, "")
    assert service.lines()[-1] == "cleanup"
    assert service.show("Result") == "success"


def test_a_wrapped_command_is_the_service(service: Service) -> None:
    """A start returns when the command runs, a reload runs actions, and a stop reaches the command."""
    tell = shlex.join(TELL)
    service.define(f"--hup print reloaded -- {tell}", "ExecReload=kill -HUP $MAINPID\nKillMode=mixed\n")
    assert service.systemctl("start")[0] == 0
    service.wait_for("up [0-9]*")
    assert service.show("StatusText") == f"Ready: hup runs 1 action, wraps {TELL[0]}"
    assert service.systemctl("reload")[0] == 0
    service.wait_for("reloaded")
    service.manager.check(f"systemctl --user kill --kill-whom=main --signal=USR2 {service.unit}")
    service.wait_for("SIGUSR2")
    assert service.systemctl("stop")[0] == 0
    assert (service.show("Result"), service.show("ExecMainStatus")) == ("exit-code", "3")
    assert service.lines()[-2:] == ["SIGTERM", "cleanup"]


def test_a_command_that_cannot_be_started_fails_the_start(service: Service) -> None:
    """The start of the unit fails with the status of the shell for it."""
    service.define("-- nosuch")
    assert service.systemctl("start")[0] == 1
    assert (service.show("Result"), service.show("ExecMainStatus")) == ("exit-code", "127")


def test_a_failed_set_up_fails_the_start(service: Service) -> None:
    """A failed set_up fails the start at once, and the log gives the reason."""
    service.define("--usr1 acts:FailSetUp")
    assert service.systemctl("start")[0] != 0
    assert (service.show("ActiveState"), service.show("ExecMainStatus")) == ("failed", "1")
    assert service.lines()[-1].startswith("flagman: error: usr1: setting up `acts:FailSetUp` failed")


def test_a_mistake_fails_the_start_with_status_2(service: Service) -> None:
    """A wrong command line fails the start with a status of its own."""
    service.define("--usr1 bogus")
    assert service.systemctl("start")[0] != 0
    assert service.show("ExecMainStatus") == "2"


def test_a_hung_action_is_killed_by_the_watchdog(service: Service, tmp_path: Path) -> None:
    """The watchdog kills a hung action, and the service is started again and works."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    service.define(
        f"--usr1 acts:Gate gate {fifo} --usr2 print alive",
        "WatchdogSec=4\nWatchdogSignal=KILL\nRestart=on-failure\nRestartSec=0\n",
    )
    assert service.systemctl("start") == (0, "")
    first = service.show("MainPID")
    service.systemctl("kill --kill-who=main --signal=USR1")
    service.wait_for("gate: begin")
    limit = time.monotonic() + 60
    while service.show("NRestarts") == "0" or service.show("ActiveState") != "active":
        assert time.monotonic() < limit
    assert service.show("MainPID") != first
    service.systemctl("kill --kill-who=main --signal=USR2")
    service.wait_for("alive")


def test_timers_tick_under_a_watchdog(service: Service) -> None:
    """Timers tick under a watchdog, which is fed between the ticks."""
    service.define("--every 200ms print tick", "WatchdogSec=3\n")
    assert service.systemctl("start") == (0, "")
    limit = time.monotonic() + 60
    while service.lines().count("tick") < 20:  # four seconds, more than the interval
        assert time.monotonic() < limit
    assert (service.show("ActiveState"), service.show("NRestarts")) == ("active", "0")


def binding(signal: str, action: str, *arguments: str) -> str:
    """Return the text of a binding."""
    return f'[[on]]\nsignal = "{signal}"\naction = "{action}"\nargs = [{", ".join(map(repr, arguments))}]\n'


@pytest.fixture(name="reloading", params=["ExecReload", "notify-reload"])
def _reloading(request: pytest.FixtureRequest, manager: Manager, flagman: str, tmp_path: Path) -> tuple[str, str]:
    """Return the type of a unit that can be reloaded, and the lines for that."""
    if request.param == "ExecReload":
        # The second command gives the daemon time to report the reload, and reports whether the file is good.
        kill = f"ExecReload={shutil.which('kill') or '/bin/kill'} -HUP $MAINPID\n"
        return "notify", f"{kill}ExecReload={flagman} --check -c {tmp_path / 'flagman.toml'}\n"
    if version(manager) < 253:
        pytest.skip("this systemd is older than notify-reload")
    return "notify-reload", ""


def version(manager: Manager) -> int:
    """Return the version of systemd."""
    return int(manager.check("systemctl --version").split()[1])


def test_reload_returns_when_it_is_done(service: Service, tmp_path: Path, reloading: tuple[str, str]) -> None:
    """A reload returns when the new actions are set up, again and again, while signals arrive."""
    path = tmp_path / "flagman.toml"
    files = [binding("HUP", "reload") + binding("USR1", "print", f"{number}") for number in range(2)]
    path.write_text(files[0], encoding="utf-8")
    service.define(f"-c {path}", reloading[1], reloading[0])
    assert service.systemctl("start") == (0, "")
    for number in range(20):
        path.write_text(files[(number + 1) % 2], encoding="utf-8")
        service.systemctl("kill --kill-who=main --signal=USR1")
        assert service.systemctl("reload") == (0, "")
        lines = service.lines()
        assert lines.count("init") == number + 2, "the new action is set up"
        assert lines.count("cleanup") == number + 1, "the old one has gone"
        assert service.show("ActiveState") == "active"
    path.write_text(binding("HUP", "reload") + binding("USR1", "print", "the last"), encoding="utf-8")
    assert service.systemctl("reload") == (0, "")
    service.systemctl("kill --kill-who=main --signal=USR1")
    service.wait_for("the last")


def test_a_reload_with_a_slow_set_up(
    manager: Manager, service: Service, tmp_path: Path, reloading: tuple[str, str]
) -> None:
    """A reload may take longer than a start may, and systemctl waits for it."""
    if reloading[0] == "notify" and version(manager) >= 259:
        pytest.skip("from systemd 259 on it does not wait after ExecReload")
    path, fifo = tmp_path / "flagman.toml", tmp_path / "fifo"
    os.mkfifo(fifo)
    path.write_text(binding("HUP", "reload"), encoding="utf-8")
    service.define(f"-c {path}", f"TimeoutStartSec=2\n{reloading[1]}", reloading[0])
    assert service.systemctl("start") == (0, "")
    path.write_text(binding("HUP", "reload") + binding("USR1", "acts:SlowSetUp", "slow", str(fifo)), encoding="utf-8")
    assert service.systemctl("reload --no-block")[0] == 0
    service.wait_for("slow: begin")
    begun = time.monotonic()
    while time.monotonic() < begun + 4:
        assert service.show("ActiveState") == "reloading"
    assert service.show("StatusText") == "Setting up the action `acts:SlowSetUp`"
    with fifo.open("w", encoding="utf-8") as gate:
        gate.write("go\n")
    limit = time.monotonic() + 60
    while service.show("ActiveState") != "active":
        assert time.monotonic() < limit
    assert service.show("StatusText").startswith("Ready: hup runs 1 action, usr1 runs 1 action; last: hup at ")


def test_a_reload_that_fails(service: Service, tmp_path: Path, reloading: tuple[str, str]) -> None:
    """A reload that fails ends, the service goes on, and the status gives the reason."""
    path = tmp_path / "flagman.toml"
    path.write_text(binding("HUP", "reload") + binding("USR1", "print", "alive"), encoding="utf-8")
    service.define(f"-c {path}", reloading[1], reloading[0])
    assert service.systemctl("start") == (0, "")
    path.write_text(binding("HUP", "prnt") * 100, encoding="utf-8")  # more than fits into one message
    assert (service.systemctl("reload")[0] == 0) is (reloading[0] == "notify-reload")
    assert f"{path}: [[on]] #1: key 'action': unknown action 'prnt'" in service.systemctl("--full status")[1]
    service.systemctl("kill --kill-who=main --signal=USR1")
    service.wait_for("alive")


def test_a_set_up_may_take_longer_than_a_start(service: Service, tmp_path: Path) -> None:
    """A set_up may take longer than a start, because flagman asks the manager for more time."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    service.define(f"--usr1 acts:SlowSetUp slow {fifo}", "TimeoutStartSec=2\n")
    assert service.systemctl("start --no-block")[0] == 0
    service.wait_for("slow: begin")
    begun = time.monotonic()
    while time.monotonic() < begun + 4:
        assert service.show("ActiveState") == "activating"
    with fifo.open("w", encoding="utf-8") as gate:
        gate.write("go\n")
    assert service.systemctl("start") == (0, "")
    assert (service.show("ActiveState"), service.show("NRestarts")) == ("active", "0")


def test_an_import_may_take_longer_than_a_start(service: Service, tmp_path: Path) -> None:
    """An import may take longer than a start, or in a reload than the watchdog's interval, and the status names it."""
    path, fifo = tmp_path / "flagman.toml", tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "slow_import.py").write_text(
        f"open({str(fifo)!r}).readline()\nfrom flagman.actions import PrintAction as Slow\n", encoding="utf-8"
    )
    service.environment = service.environment.replace("PYTHONPATH=", f"PYTHONPATH={tmp_path}:")
    bindings = [binding("HUP", "reload"), binding("USR1", "slow_import:Slow", "x")]
    path.write_text("".join(bindings), encoding="utf-8")
    kill = shutil.which("kill") or "/bin/kill"
    service.define(f"-c {path}", f"TimeoutStartSec=3\nWatchdogSec=1\nExecReload={kill} -HUP $MAINPID\n")
    assert service.systemctl("start --no-block")[0] == 0
    wait_for_import(service, "activating")
    fifo.write_text("go\n", encoding="utf-8")
    assert service.systemctl("start") == (0, "")
    path.write_text(bindings[0], encoding="utf-8")
    assert service.systemctl("restart") == (0, "")
    path.write_text("".join(bindings), encoding="utf-8")
    service.systemctl("kill --kill-who=main --signal=HUP")
    wait_for_import(service, "reloading")
    fifo.write_text("go\n", encoding="utf-8")
    limit = time.monotonic() + 60
    while not service.show("StatusText").startswith("Ready: hup runs 1 action, usr1 runs 1 action"):
        assert time.monotonic() < limit
    assert (service.show("ActiveState"), service.show("NRestarts")) == ("active", "0")


def wait_for_import(service: Service, state: str) -> None:
    """Wait until the manager knows which import takes long, and check that it is patient."""
    limit = time.monotonic() + 60
    while service.show("StatusText") != "Looking for the action `slow_import:Slow`":
        assert time.monotonic() < limit
    begun = time.monotonic()
    while time.monotonic() < begun + 4:
        assert service.show("ActiveState") == state


def test_stop_during_a_set_up(service: Service, tmp_path: Path) -> None:
    """A stop during a set_up tears down what has been set up, and the unit has not failed."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    service.define(f"--usr1 print first --usr1 acts:SlowSetUp slow {fifo} --stop-timeout 100ms")
    assert service.systemctl("start --no-block")[0] == 0
    service.wait_for("slow: begin")
    assert service.systemctl("stop") == (0, "")
    assert service.lines()[-1] == "cleanup"
    assert (service.show("ActiveState"), service.show("Result")) == ("inactive", "success")


def test_a_failure_tells_its_status(service: Service) -> None:
    """A failure ends with its exit status, and its reason stays in the status text."""
    service.define("--usr1 acts:Fail ValueError --on-error exit")
    assert service.systemctl("start") == (0, "")
    service.systemctl("kill --kill-who=main --signal=USR1")
    limit = time.monotonic() + 60
    while service.show("ActiveState") != "failed":
        assert time.monotonic() < limit
    assert (service.show("ExecMainStatus"), service.show("Result")) == ("1", "exit-code")
    assert service.show("StatusText") == "Exiting because an action failed"


def test_a_great_many_bindings(service: Service, tmp_path: Path) -> None:
    """More bindings than fit into the status do not disturb the start."""
    path = tmp_path / "flagman.toml"
    spans = "".join(f'[[on]]\nevery = "{number}h"\naction = "stop"\n' for number in range(1, 300))
    path.write_text(spans, encoding="utf-8")
    service.define(f"-c {path}")
    assert service.systemctl("start") == (0, "")
    assert service.show("StatusText").startswith("Ready: every-1h runs 1 action, ")


def test_without_notification_the_start_never_completes(service: Service) -> None:
    """With --no-systemd the start never completes, which proves that READY=1 ends the wait in the other tests."""
    service.define("--no-systemd --usr1 print hello")
    assert service.systemctl("start --no-block")[0] == 0
    service.wait_for("init")
    assert service.show("ActiveState") == "activating"


def test_children_do_not_see_the_manager(service: Service) -> None:
    """Actions do not see the manager's variables in their environment."""
    service.define("--usr1 acts:Environment")
    assert service.systemctl("start") == (0, "")
    service.systemctl("kill --kill-who=main --signal=USR1")
    service.wait_for("\\[\\]")


def units(text: str) -> dict[str, str]:
    """Split the output of --print-unit into its units."""
    parts = re.split(r"^# (?:/etc/systemd/system|~/\.config/systemd/user)/(\S+)\n", text, flags=re.MULTILINE)
    assert not parts[0]
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# Words in which systemd or a shell might find a special meaning.
ODD = [
    "",
    " ",
    "a b",
    "%n %%",
    "$HOME ${HOME} $$",
    'say "hi"',
    "it's",
    "back\\slash \\n",
    "line\nbreak",
    ";",
    "ünï",
    "--",
    "-v",
]


@pytest.mark.parametrize("kind", ["system", "user"])
def test_printed_units_are_verified(manager: Manager, tmp_path: Path, kind: str) -> None:
    """Systemd accepts the printed units of any command line without a complaint."""
    config = tmp_path / "site check.toml"
    config.write_text("", encoding="utf-8")
    user = ["--user"] if kind == "user" else []
    for arguments in (
        ["--usr1", "print", "hello"],
        ["--usr1", "print", "hello", "--timeout", "10s", "--timer", "90s"],
        ["-c", str(config), "--hup", "reload", "--signal", "RTMIN+3", "print", "hello", "--timer", "Mon *-*-* 06:00"],
        ["--every", "5m", "print", "x", f"--usr1={shlex.join(['acts:Words', *ODD])}", "--timer", "daily"],
    ):
        done = run(*arguments, "--print-unit", *user)
        assert (done.returncode, done.stderr) == (0, "")
        folder = tmp_path / "units"
        folder.mkdir(exist_ok=True)
        written = units(done.stdout)
        assert len(written) == (3 if "--timer" in arguments else 1)
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
        paths = " ".join(str(folder / name) for name in written)
        assert manager.run(f"systemd-analyze --{kind} verify {paths}") == (0, "")


def test_a_printed_unit_runs(manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A printed unit hands on each word unchanged, can be reloaded, and gets the signal of its timer."""
    monkeypatch.setenv("PYTHONPATH", str(LIB))
    config, output = tmp_path / "printed.toml", tmp_path / "output"
    config.write_text(binding("HUP", "reload"), encoding="utf-8")
    done = run(
        "-c", str(config), f"--usr1={shlex.join(['acts:Words', *ODD])}", "--print-unit", "--user", "--timer", "1s"
    )
    written = units(done.stdout)
    assert list(written) == ["printed.service", "printed-usr1.service", "printed-usr1.timer"]
    more = f"[Service]\nStandardOutput=append:{output}\nStandardError=append:{output}\n"
    for name, text in written.items():
        manager.install(name, text.replace("[Service]\n", more) if name == "printed.service" else text)
    try:
        manager.check("systemctl --user start printed.service")
        assert manager.show("printed.service", "StatusText") == "Ready: hup runs 1 action, usr1 runs 1 action"
        manager.check("systemctl --user start printed-usr1.timer")
        runs = "\n".join(repr(word) for word in ODD) + "\n"
        limit = time.monotonic() + 60
        while output.read_text(encoding="utf-8").count(runs) < 3:  # the timer ticks again and again
            assert time.monotonic() < limit
        manager.check("systemctl --user stop printed-usr1.timer")
        manager.check("systemctl --user reload printed.service")
        config.write_text("wrong", encoding="utf-8")
        assert manager.run("systemctl --user reload printed.service")[0] != 0
        assert manager.show("printed.service", "ActiveState") == "active"
    finally:
        manager.check("systemctl --user stop printed.service")
    assert manager.show("printed.service", "Result") == "success"


def test_units_that_are_written_work_as_the_next_command_says(manager: Manager, flagman: str, tmp_path: Path) -> None:
    """The command that --into prints starts the service and its timer; a reload needs no action bound to HUP."""
    config, output = tmp_path / "site.toml", tmp_path / "output"
    config.write_text(binding("USR1", "exec", "sh", "-c", f"echo old >>{output}"), encoding="utf-8")
    options = f"-c {config} --user --timer 1s --print-unit --into ~/.config/systemd/user"
    written = manager.check(f"cd {tmp_path} && {flagman} {options}").splitlines()
    assert [Path(path).name for path in written[:-1]] == ["site.service", "site-usr1.service", "site-usr1.timer"]
    assert written[-1].startswith("Next: systemctl --user ")
    try:
        manager.check(written[-1].removeprefix("Next: "))
        limit = time.monotonic() + 60
        while not output.exists() or output.read_text(encoding="utf-8").count("old\n") < 2:
            assert time.monotonic() < limit
        config.write_text(config.read_text(encoding="utf-8").replace("old", "new"), encoding="utf-8")
        manager.check("systemctl --user reload site.service")
        while "new\n" not in output.read_text(encoding="utf-8"):
            assert time.monotonic() < limit
        config.write_text("wrong", encoding="utf-8")
        assert manager.run("systemctl --user reload site.service")[0] != 0
        assert manager.show("site.service", "ActiveState") == "active"
    finally:
        manager.run("systemctl --user disable --now site-usr1.timer site.service")
    assert manager.show("site.service", "Result") == "success"


PLACES = ["a b", "a%n", "ü", "it's", 'say "hi"', "$HOME", "end ", "end\\", "tab\tin", "~", "-", "a;b", "#"]


@pytest.mark.parametrize("place", PLACES)
def test_a_unit_that_was_printed_in_an_odd_directory(manager: Manager, tmp_path: Path, place: str) -> None:
    """A unit that was printed in an odd directory runs there, and imports no module from there."""
    directory = tmp_path / place
    directory.mkdir()
    for module in ("types", "contextlib", "signal"):
        (directory / f"{module}.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    done = run("--usr1", "print", "hello", "--print-unit", "--user", directory=str(directory))
    assert (done.returncode, done.stderr) == (0, "")
    manager.install("flagman.service", units(done.stdout)["flagman.service"])
    manager.check("systemctl --user start flagman.service")
    try:
        assert Path(f"/proc/{manager.show('flagman.service', 'MainPID')}/cwd").resolve() == directory
    finally:
        manager.check("systemctl --user stop flagman.service")


@pytest.mark.parametrize("place", ["it's", 'say "hi"', "back\\slash", "a b", "%n", "ü", "$HOME"])
def test_a_program_at_an_odd_place(manager: Manager, tmp_path: Path, place: str) -> None:
    """A program at an odd place runs as the main process, with unchanged arguments."""
    program = tmp_path / place / "program"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$$" "$@" >{tmp_path}/output\n', encoding="utf-8")
    program.chmod(0o755)
    line = unit_syntax.command([str(program), *ODD])
    often = "[Unit]\nStartLimitIntervalSec=0\n"
    manager.install("odd.service", f"{often}[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={line}\n")
    manager.check("systemctl --user restart odd.service")
    pid = manager.show("odd.service", "ExecMainPID")
    assert (tmp_path / "output").read_text(encoding="utf-8") == "\n".join([pid, *ODD]) + "\n"


def test_the_documented_units(manager: Manager, tmp_path: Path, flagman: str) -> None:
    """The documented DNS check works, with other places and a name that needs no network."""
    page = (ROOT / "docs" / "dns-check.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"code-block:: (\w+)\n   :caption: (\S+)\n\n((?:(?:   .*)?\n)+)", page)
    files = {Path(caption).name: textwrap.dedent(text) for _, caption, text in blocks}
    assert sorted(files) == ["dns-check-now.service", "dns-check-now.timer", "dns-check.service", "dns_check.py"]
    (tmp_path / "dns_check.py").write_text(files.pop("dns_check.py"), encoding="utf-8")
    log = tmp_path / "log"
    for name, text in files.items():
        changed = (
            text.replace("/opt/flagman/bin/flagman", flagman)
            .replace("/opt/dns-check", str(tmp_path))
            .replace("www.example.org\nExecReload", "127.0.0.1 -v\nExecReload")
            .replace("KillMode", f"StandardError=append:{log}\nKillMode")
            .replace("systemctl kill", "systemctl --user kill")
            .replace("--kill-whom", "--kill-who")
            .replace("Wants=network-online.target\nAfter=network-online.target\n", "")
        )
        manager.install(name, changed)
        assert manager.run(f"systemd-analyze --user verify /run/home/.config/systemd/user/{name}") == (0, "")
    manager.check("systemctl --user enable dns-check-now.timer")
    manager.check("systemctl --user start dns-check.service")
    assert manager.show("dns-check-now.timer", "ActiveState") == "active"
    manager.check("systemctl --user start dns-check-now.service")
    manager.check(f"timeout 60 sh -c 'tail -n +1 -F {log} 2>&- | grep -q -m 1 \"127.0.0.1 is 127.0.0.1\"'")
    manager.check("systemctl --user stop dns-check.service")
    assert manager.show("dns-check.service", "Result") == "success"
    assert manager.show("dns-check-now.timer", "ActiveState") == "inactive"


def test_the_directory_of_a_control_socket(service: Service) -> None:
    """The printed unit has a directory for the control socket, which comes and goes with the daemon."""
    text = run("--print-unit", "--user", "--control", "--name", "web", "--usr1", "print", "x").stdout
    (line,) = [line for line in text.splitlines() if line.startswith("RuntimeDirectory=")]
    service.define("--control --name web --usr1 print x", more=f"{line}\n")
    for _ in range(2):
        assert service.systemctl("restart") == (0, "")
        assert service.manager.check("ls $XDG_RUNTIME_DIR/flagman/web").split() == ["web.sock", "web.sock.lock"]
    assert service.systemctl("stop") == (0, "")
    assert service.manager.run("ls $XDG_RUNTIME_DIR/flagman/web 2>&-")[0] != 0


def test_a_token_as_a_credential(service: Service, tmp_path: Path) -> None:
    """The token of an address may be a credential of the unit, as the documentation shows."""
    secret, path = tmp_path / "secret", tmp_path / "x.sock"
    secret.write_text(f"{TOKEN}\n", encoding="ascii")
    secret.chmod(0o600)
    words = f"--control {path} --control 127.0.0.1:0 --control-token ${{CREDENTIALS_DIRECTORY}}/token --usr1 print x"
    service.define(words, more=f"LoadCredential=token:{secret}\n")
    if service.systemctl("start")[0] != 0 and service.lines()[-1].endswith("/token': No such file or directory"):
        pytest.skip("this manager cannot fill the directory of credentials")  # as where it may not mount one
    assert service.show("ActiveState") == "active"
    _, place = request(path, "GET", "/status")[1]["controls"]
    client = Client(place, TOKEN)
    assert client.ask("GET", "/ready").status == 200
    client.close()


def test_a_control_socket_of_the_manager(service: Service) -> None:
    """A request starts the daemon, with the socket of the documented unit, which systemd removes at its stop."""
    page = (ROOT / "docs" / "systemd.rst").read_text(encoding="utf-8")
    (text,) = re.findall(r"^(   \[Socket\]\n(?:   .*\n|\n)*?)(?=\S)", page, re.MULTILINE)
    name = service.unit.replace(".service", ".socket")
    manager = service.manager
    path = manager.check("echo $XDG_RUNTIME_DIR/flagman/web.sock").strip()
    manager.install(name, textwrap.dedent(text).replace("/run/flagman/site-check.sock", path))
    service.define("--control --usr1 print x")
    manager.check(f"systemctl --user start {name}")
    ask = "import socket, sys; client = socket.socket(socket.AF_UNIX); client.connect(sys.argv[1]); client.recv(1)"
    assert service.show("ActiveState") == "inactive"
    command = shlex.join([sys.executable, "-IS", "-c", ask, path])
    manager.run(f"timeout 2 {command}")
    service.wait_for("init")
    assert manager.check(f"stat -c '%a %F' {path}").strip() == "600 socket"
    manager.check(f"systemctl --user stop {name}; systemctl --user stop {service.unit}")
    assert manager.run(f"ls {path} 2>&-")[0] != 0


def test_nothing_is_left_of_a_killed_flagman(service: Service, tmp_path: Path) -> None:
    """In a unit there is no guardian: the manager ends all two hundred processes of the control group."""
    config = tmp_path / "flagman.toml"
    config.write_text("".join(f'[process.p{n}]\ncommand = ["sleep", "1000"]\n' for n in range(200)), encoding="utf-8")
    ((mark, value),) = marked(tmp_path).items()
    service.define(f"--config {config}", more=f"Environment={mark}={value}\n")
    assert service.systemctl("start") == (0, "")
    assert service.show("StatusText") == "Ready: keeps 200 processes"
    main = int(service.show("MainPID"))
    assert len(with_mark(mark, value)) == 201
    os.kill(main, signal.SIGKILL)
    wait_for(lambda: service.show("ActiveState") == "failed")
    wait_for(lambda: not with_mark(mark, value))
