"""Settings are values: layers that are merged once, and never changed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman import cli
from flagman.actions import PrintAction
from flagman.cli import command, reading
from flagman.config.binding import Binding
from flagman.config.reader import Config
from flagman.config.settings import Settings
from flagman.log.start import Log
from flagman.systemd import Manager
from flagman.systemd.more_time import MoreTime
from flagman.triggers import Source
from flagman.triggers.by_clock import AfterSource, EverySource
from flagman.triggers.by_signal import SignalSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

VALUES = st.fixed_dictionaries(
    {}, optional={"overlap": st.sampled_from(["ignore", "rerun"]), "jitter": st.floats(0, 9)}
)


def test_settings_are_never_changed() -> None:
    """Assigning to a setting raises an error that names the method for changed copies."""
    settings = Settings(jitter=1.0)
    with pytest.raises(AttributeError, match="settings are never changed"):
        settings.jitter = 2.0
    other = settings.changed(jitter=2.0)
    assert (settings.jitter, other.jitter, other.overlap) == (1.0, 2.0, "ignore")


@given(VALUES, VALUES, VALUES)
def test_the_nearest_layer_counts(file: dict[str, object], line: dict[str, object], own: dict[str, object]) -> None:
    """A setting comes from the binding, else from the command line, the file, or the defaults."""
    config = Config()
    config.options = file
    config.bindings = [Binding(SignalSource(signal.SIGUSR1), "print", PrintAction, ("x",), own)]
    given = Settings(**line)
    settings = config.below(given)
    (binding,) = settings.bindings
    for name in ("overlap", "jitter"):
        layers = (own, line, file, {name: getattr(Settings, name)})
        assert getattr(settings.of(binding), name) == next(layer[name] for layer in layers if name in layer)
    assert vars(given) == line
    assert config.options == file


NAMES = st.text(st.characters(exclude_characters="\0"), min_size=1)


@given(NAMES, NAMES, st.sampled_from(["", "2s", "1"]), st.sampled_from(["", "2s", "1"]))
def test_two_bindings_have_one_flag_only_if_they_have_one_trigger(a: str, b: str, first: str, second: str) -> None:
    """Two bindings share a flag only if trigger and variant are equal, even with any text in the names of triggers."""
    one, other = (
        Binding(Source(name), "print", PrintAction, ("x",), variant=variant)
        for name, variant in ((a, first), (b, second))
    )
    assert (one.flag == other.flag) == ((a, first) == (b, second))
    assert one.as_variant("").source.trigger == a
    assert one.title == f"{a}~{first}".removesuffix("~") if first else a


class FileSource(Source):
    """A source that is a path."""

    def placed(self, absolute: Callable[[str], str]) -> Source:
        """Return a source with the absolute path."""
        return FileSource(absolute(self.trigger))


def test_a_source_with_a_path_is_told_where_it_begins() -> None:
    """A source with a path is made absolute from the start's directory, and other sources stay as they are."""
    binding = Binding(FileSource("x"), "print", PrintAction, ("x",), {"timeout": 1.0}, "v")
    placed = binding.placed(lambda path: os.path.join("/there", path))  # noqa: PTH118 - as the command does
    assert (placed.source.trigger, placed.options, placed.variant, placed.flag) == (
        "/there/x",
        {"timeout": 1.0},
        "v",
        "/there/x~v",
    )
    for source in (SignalSource(signal.SIGHUP), EverySource(5), AfterSource(5)):
        assert source.placed(str) is source


@pytest.mark.parametrize("mode", ["--print-unit", "--print-config", "--check"])
def test_the_command_line_is_read_once(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line is read once in every mode."""
    lines: list[object] = []

    class Counted(reading.Line):
        """Counts its instances."""

        def __init__(self, argv: Sequence[str], known: dict[str, object] | None = None) -> None:
            lines.append(argv)
            super().__init__(argv, known)

    monkeypatch.setattr(command, "Line", Counted)
    (tmp_path / "c.toml").write_text('[[on]]\nsignal = "USR2"\naction = "stop"\n', encoding="utf-8")
    assert cli.main(["flagman", "-c", str(tmp_path / "c.toml"), mode, "--usr1", "print", "x"]) == 0
    assert len(lines) == 1


def test_a_reload_keeps_what_is_for_the_start(tmp_path: Path) -> None:
    """A reload takes each option from the file unless the option's row says that it is for the start only."""
    path = tmp_path / "c.toml"
    binding = '[[on]]\nsignal = "USR1"\naction = "stop"\n'
    path.write_text(f'[flagman]\numask = "027"\noutput = "log"\n{binding}', encoding="utf-8")
    line, find = reading.Line(["flagman", "-c", str(path)]), reading.finder(None)
    given = line.given(find)
    first = reading.complete(given, find, reading.open_file(given))
    hooks = command._Hooks(given, first, Log([]), None, terminal=False)
    path.write_text(f'[flagman]\numask = "077"\nuser = "nobody"\noutput = "null"\n{binding}', encoding="utf-8")
    after = hooks.read(MoreTime(Manager()))
    assert (first.umask, first.user, first.output) == (0o027, None, "log")
    assert (after.umask, after.user, after.output) == (0o027, None, "null")
