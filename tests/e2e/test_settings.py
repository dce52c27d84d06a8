"""The table [settings] of the configuration file: read by actions, checked, and replaced by a reload."""

from __future__ import annotations

import signal
import tomllib
from typing import TYPE_CHECKING

import pytest

from flagman import Action
from flagman.config.frozen import frozen_table
from flagman.testing import ActionDriver
from support.driven import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from support.driven import Flagman

    Start = Callable[..., Flagman]

HUP, USR1 = signal.SIGHUP, signal.SIGUSR1

ACTIONS = '''
from flagman import Action

class Reader(Action):
    """Prints the settings at each stage."""

    @classmethod
    def check_settings(cls, settings):
        if "word" not in settings:
            raise ValueError("word is missing")
        if settings["word"] == "odd":
            raise RuntimeError("a defect")

    def set_up(self, name="a"):
        self.name = name
        print(name, "set up with", self.engine.settings["word"])

    def run(self):
        print(self.name, "runs with", self.engine.settings["word"])

    def reloaded(self):
        print(self.name, "goes on with", self.engine.settings["word"])
        if self.engine.settings["word"] == "bad":
            raise RuntimeError("reloaded is broken")
'''
BINDING = '[[on]]\nsignal = "USR1"\naction = "reader:Reader"\n'
OTHER = f'{BINDING}args = ["b"]\n'


def settings(word: str, *bindings: str) -> str:
    """Return a file with a word among its settings."""
    return f'[settings]\nword = "{word}"\ndeep = {{list = [1, [2], {{x = 3}}]}}\n{"".join(bindings or (BINDING,))}'


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    (tmp_path / "reader.py").write_text(ACTIONS, encoding="utf-8")
    path = tmp_path / "f.toml"
    path.write_text(settings("one"), encoding="utf-8")
    return path


def test_a_reload_replaces_the_settings_as_a_whole(start: Start, file: Path) -> None:
    """Kept actions are told of new settings, new ones are set up with them, and equal ones are no news."""
    daemon = (
        start("-v", "-c", str(file), "--pythonpath", str(file.parent))
        .ready()
        .expect("a set up with one")
        .signal(USR1)
        .expect("a runs with one")
    )
    file.write_text(settings("two", BINDING, OTHER), encoding="utf-8")
    daemon.signal(HUP).expect("b set up with two", "a goes on with two").expect_error("Reloaded: 1 action is new")
    daemon.signal(USR1).expect("a runs with two", "b runs with two")
    file.write_text(settings("two"), encoding="utf-8")
    daemon.signal(HUP).expect_error("Reloaded: 0 actions are new, 1 was removed")
    daemon.signal(USR1).expect("a runs with two")
    for broken, mistake in (
        (settings("three", BINDING.replace("USR1", "USR9")), "USR9"),
        (settings("three", BINDING, BINDING.replace("reader:Reader", "acts:FailSetUp")), "setting up"),
        (BINDING, f"{file}: [settings]: word is missing"),
        (settings("odd"), "Reader: checking the settings failed: RuntimeError: a defect"),
        (f"settings = 1\n{BINDING}", f"{file}: settings: is not a table; write [settings]"),
    ):
        file.write_text(broken, encoding="utf-8")
        daemon.signal(HUP)
        assert mistake in daemon.expect_error("Reload failed, the old configuration stays: ")
        daemon.signal(USR1).expect("a runs with two")
    file.write_text(settings("bad"), encoding="utf-8")
    daemon.signal(HUP).expect("a goes on with bad").expect_error("reader:Reader: reloaded() failed")
    daemon.signal(USR1).expect("a runs with bad").stop()


def test_settings_that_an_action_refuses(file: Path) -> None:
    """A start and --check refuse them in one line, with or without a file, and set nothing up."""
    file.write_text(BINDING, encoding="utf-8")
    for words in (["-c", str(file)], ["-c", str(file), "--check"], ["--usr1", "reader:Reader"]):
        done = run("--pythonpath", str(file.parent), *words)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done.stderr
        assert done.stderr.endswith(": word is missing\n")
    file.write_text(settings("one"), encoding="utf-8")
    assert run("--pythonpath", str(file.parent), "-c", str(file), "--check").returncode == 0


def test_settings_are_printed_and_can_be_read_again(file: Path) -> None:
    """--print-config writes the table, whatever is in it."""
    file.write_text(f'[settings."odd key"]\ndate = 2026-01-02\nempty = []\n{settings("one")}', encoding="utf-8")
    printed = run("--pythonpath", str(file.parent), "-c", str(file), "--print-config").stdout
    assert tomllib.loads(printed)["settings"] == tomllib.loads(file.read_text(encoding="utf-8"))["settings"]


def test_nothing_can_change_them() -> None:
    """Tables and arrays are read-only at any depth, and equal to what was read."""
    table: dict[str, object] = {"a": {"b": [1, {"c": []}]}}
    read: Mapping[str, Mapping[str, tuple[object, ...]]] = frozen_table(table)  # type: ignore[assignment]
    assert read["a"]["b"][0] == 1
    assert not hasattr(read, "update")
    assert not hasattr(read["a"], "update")
    assert isinstance(read["a"]["b"], tuple)
    assert not hasattr(read["a"]["b"][1], "update")


class Greeter(Action):
    """Greets the person of the settings."""

    @classmethod
    def check_settings(cls, settings: Mapping[str, object]) -> None:
        """Refuse settings without a person."""
        if "person" not in settings:
            raise ValueError("person is missing")

    def run(self) -> None:
        """Greet."""
        print("hello", self.engine.settings["person"])

    def reloaded(self) -> None:
        """Print the new person."""
        print("who is", self.engine.settings["person"])


def test_a_driver_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    """An action under test has settings, too, and they are checked."""
    with pytest.raises(ValueError, match="person is missing"):
        ActionDriver(Greeter)
    with ActionDriver(Greeter, settings={"person": "Ada"}) as driver:
        driver.run()
        driver.reload({"person": "Grace"})
        with pytest.raises(ValueError, match="person is missing"):
            driver.reload({})
        driver.run()
    assert capsys.readouterr().out == "hello Ada\nwho is Grace\nhello Grace\n"
