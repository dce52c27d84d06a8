"""The units for a daemon per file, under a real systemd manager; and they say what ``--print-unit`` says."""

from __future__ import annotations

import os
import re
import sysconfig
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.driven import run, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.user_manager import Manager

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "docs" / "init" / "systemd"
SCRIPTS = sysconfig.get_path("scripts")
HOME = "/run/home/.config/systemd/user"


NAMES = ["flagman@.service", "flagman-signal@.service", "flagman@.timer"]


def tell(command: str) -> str:
    """Return a binding of USR1 to a command of the shell."""
    return f'[[on]]\nsignal = "USR1"\naction = "sh"\nargs = ["{command}"]\n'


def options(text: str) -> dict[str, list[str]]:
    """Return the lines of each section of a unit, without comments and without descriptions."""
    found = {}
    for part in re.split(r"^\[", text, flags=re.MULTILINE)[1:]:
        title, _, lines = part.partition("]\n")
        found[title] = [line for line in lines.splitlines() if re.match(r"(?!Description|Documentation)\w", line)]
    return found


def test_the_templates_say_what_a_printed_unit_says(tmp_path: Path) -> None:
    """Each option is that of the printed unit of such a file, in the same order, but for the time of a stop."""
    file = tmp_path / "web.toml"
    file.write_text(f"[flagman]\ncontrol = true\n{tell('x')}", encoding="utf-8")
    done = run("--config", str(file), "--print-unit", "--timer", "daily", directory="/", PYTHONPATH="")
    text = re.sub(r"(?<==)/\S+( .*)? -m flagman\b", "flagman", done.stdout)
    text = re.sub(r"(?<==)/\S+/(kill|systemctl)\b", r"\1", text)
    text = text.replace(str(file), "/etc/flagman/%i.toml").replace("flagman/web", "flagman/%i")
    text = text.replace("=web.service", "=flagman@%i.service").replace(" web.service\n", " flagman@%i.service\n")
    text = text.replace("TimeoutStopSec=75", "TimeoutStopSec=5min")
    text = text.replace("=oneshot\n", "=oneshot\nEnvironment=SIGNAL=USR1\n").replace("=USR1 ", "=${SIGNAL} ")
    text = text.replace("=daily\n", "=daily\nUnit=flagman-signal@%i.service\n")
    printed = re.split(r"^# /etc/systemd/system/.*\n", text, flags=re.MULTILINE)[1:]
    for name, unit in zip(NAMES, printed, strict=True):
        assert options((UNITS / name).read_text(encoding="utf-8")) == options(unit)


def test_the_package_has_the_templates() -> None:
    """They are installed where systemd looks for them, if the prefix is that of the system."""
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert sorted(NAMES) == sorted(path.name for path in UNITS.iterdir())
    (lines,) = re.findall(r"^lib/systemd/system =\n((?: .*\n)+)", text, re.MULTILINE)
    assert sorted(lines.split()) == sorted(f"docs/init/systemd/{name}" for name in NAMES)


class Instances:
    """Two files, and the units for them.

    :param manager: runs the units
    :param folder: the files, and what their daemons write
    """

    def __init__(self, manager: Manager, folder: Path) -> None:
        self.manager = manager
        self.folder = folder
        for name in ("one", "two"):
            self.write(name, "ran")
        for name in NAMES:
            text = (UNITS / name).read_text(encoding="utf-8")
            # A manager of a user has no /etc/flagman, and systemctl speaks to that of the system.
            text = text.replace("/etc/flagman/", f"{folder}/").replace("=systemctl kill", "=systemctl --user kill")
            text = re.sub("^Protect.*\n", "", text, flags=re.MULTILINE)  # only that of the system can do this
            (folder / name).write_text(text.replace("--kill-whom", "--kill-who"), encoding="utf-8")
        units = " ".join(str(folder / name) for name in NAMES)
        manager.check(f"systemctl --user link {units}")
        page = (ROOT / "docs" / "systemd.rst").read_text(encoding="utf-8")
        (drop_in,) = re.findall(r"^   (\[Service\]\n   ExecSearchPath=.*\n)", page, re.MULTILINE)
        variables = " ".join(name for name in os.environ if name.startswith("COVERAGE"))
        more = f"PassEnvironment={variables}\n" if variables else ""
        search = textwrap.dedent(f"   {drop_in}").replace("/opt/flagman/bin", f"{SCRIPTS}:/usr/bin:/bin")
        self.change("flagman@.service", search + more)

    def write(self, name: str, word: str) -> None:
        """Write a file: at USR1 its daemon adds a line to another file."""
        text = f"[flagman]\ncontrol = true\n{tell(f'echo {word} >>{self.folder}/{name}.out')}"
        (self.folder / f"{name}.toml").write_text(text, encoding="utf-8")

    def told(self, name: str) -> str:
        """Return what a daemon has written."""
        path = self.folder / f"{name}.out"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def change(self, unit: str, lines: str) -> None:
        """Add lines to a unit."""
        self.manager.check(f"mkdir -p {HOME}/{unit}.d")
        self.manager.install(f"{unit}.d/more.conf", lines)

    def systemctl(self, words: str) -> tuple[int, str]:
        """Run systemctl."""
        return self.manager.run(f"systemctl --user {words}")

    def close(self) -> None:
        """Stop and remove all units."""
        for name in ("one", "two"):
            self.systemctl(f"disable --now flagman@{name}.timer flagman@{name}.service")
            self.systemctl(f"reset-failed 'flagman*@{name}.*'")
        self.manager.run(f"rm -r {HOME}/flagman*; systemctl --user daemon-reload")


@pytest.fixture(name="instances")
def _instances(manager: Manager, tmp_path: Path) -> Iterator[Instances]:
    """Yield the units; they are stopped in the end."""
    instances = Instances(manager, tmp_path)
    yield instances
    instances.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["system", "user"])
def test_systemd_has_no_complaint(manager: Manager, tmp_path: Path, kind: str) -> None:
    """``systemd-analyze verify``, which wants programs to be where they are said to be, says nothing of any of them."""
    for name in NAMES:
        text = (UNITS / name).read_text(encoding="utf-8").replace("=flagman ", f"={SCRIPTS}/flagman ")
        (tmp_path / name).write_text(text, encoding="utf-8")
    paths = " ".join(str(tmp_path / name) for name in NAMES)
    assert manager.run(f"systemd-analyze --{kind} --man=no verify {paths}") == (0, "")


@pytest.mark.slow
def test_two_instances(instances: Instances) -> None:
    """Each has a file, a control socket and a life of its own."""
    manager = instances.manager
    for name in ("one", "two"):
        assert instances.systemctl(f"start flagman@{name}.service") == (0, "")
        assert manager.show(f"flagman@{name}.service", "StatusText") == "Ready: usr1 runs 1 action"
        assert manager.check(f"{SCRIPTS}/flagmanctl --name {name} ready") == "ready\n"
    instances.write("one", "new")
    assert instances.systemctl("reload flagman@one.service") == (0, "")
    manager.check(f"{SCRIPTS}/flagmanctl --name one trigger usr1 --wait")
    manager.check(f"{SCRIPTS}/flagmanctl --name two trigger usr1 --wait")
    assert (instances.told("one"), instances.told("two")) == ("new\n", "ran\n")
    (instances.folder / "two.toml").write_text("wrong", encoding="utf-8")
    assert instances.systemctl("reload flagman@two.service")[0] != 0
    assert manager.show("flagman@two.service", "ActiveState") == "active"
    assert instances.systemctl("stop flagman@one.service") == (0, "")
    assert manager.show("flagman@one.service", "Result") == "success"
    assert manager.run("ls $XDG_RUNTIME_DIR/flagman/one 2>&-")[0] != 0
    assert manager.show("flagman@two.service", "ActiveState") == "active"


@pytest.mark.slow
def test_a_timer_sends_the_signal(instances: Instances) -> None:
    """An enabled timer comes with the daemon, and sends the signal to that of its name; a drop-in changes its time."""
    manager = instances.manager
    instances.change("flagman@one.timer", "[Timer]\nOnCalendar=\nOnActiveSec=1ms\nAccuracySec=1ms\n")
    instances.systemctl("start flagman@two.service")
    status, said = instances.systemctl("enable flagman@one.timer")
    assert (status, "flagman@one.service.wants" in said) == (0, True)
    assert instances.systemctl("start flagman@one.service") == (0, "")
    wait_for(lambda: instances.told("one") == "ran\n")
    assert instances.told("two") == ""
    assert manager.show("flagman@one.timer", "ActiveState") == "active"
    assert instances.systemctl("stop flagman@one.service") == (0, "")
    wait_for(lambda: manager.show("flagman@one.timer", "ActiveState") == "inactive")
    assert instances.systemctl("start flagman-signal@one.service")[0] != 0
