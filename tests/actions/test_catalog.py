"""Finding actions by name, with real distributions on the path."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest

from flagman.actions import DelayedPrintAction, PrintAction, PrintOnceAction
from flagman.actions.catalog import Catalog
from flagman.cli import listing
from flagman.exceptions import PluginError, UnknownActionError
from support.driven import LIB, clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOD = "from flagman import Action\nclass Good(Action):\n    '''Good.'''\n    def run(self): ...\n"


@pytest.fixture(name="path")
def _path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder on the module search path, and forget afterwards what was imported from it."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(LIB))
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def distribution(path: Path, name: str, *points: str, **modules: str) -> None:
    """Install a distribution with these entry points and modules."""
    info = path / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("\n".join(["[flagman.action]", *points]), encoding="utf-8")
    for module, text in modules.items():
        (path / f"{module}.py").write_text(text, encoding="utf-8")
        sys.modules.pop(module, None)  # another test may have left one of this name


def test_built_in_actions() -> None:
    """The built-in actions come first, in a fixed order, and are the classes of flagman.actions."""
    catalog = Catalog()
    assert list(catalog)[:3] == ["print", "delay_print", "print_once"]
    assert [catalog[name] for name in list(catalog)[:3]] == [PrintAction, DelayedPrintAction, PrintOnceAction]
    assert "print" in catalog
    assert "bogus" not in catalog
    assert catalog.get("bogus") is None
    assert len(catalog) == len(list(catalog))


def test_built_in_actions_cost_no_metadata() -> None:
    """Finding a built-in action imports neither the metadata machinery nor the module of another action."""
    program = (
        # Python 3.14's logging imports inspect.
        "import logging, sys; logs = set(sys.modules); from flagman.actions.catalog import Catalog; Catalog()['print'];"
        "assert not {'importlib.metadata', 'inspect', 'difflib'} & set(sys.modules) - logs"
    )
    subprocess.run([sys.executable, "-c", program], env=clean_environment(), check=True)


def test_only_the_named_plugin_is_imported(path: Path) -> None:
    """A broken plugin that is not used has no effect, and names can be listed without importing any plugin."""
    distribution(path, "acme-good", "good = acme_good:Good", acme_good=GOOD)
    distribution(path, "acme-bad", "bad = broken_plugin:Bad")
    catalog = Catalog()
    assert {"good", "bad"} <= set(catalog)
    assert catalog["good"].__name__ == "Good"
    assert "broken_plugin" not in sys.modules


def test_a_broken_plugin_that_is_used_names_its_distribution(path: Path) -> None:
    """The error of a broken plugin names its distribution, and keeps the cause for a traceback."""
    distribution(path, "acme-bad", "bad = broken_plugin:Bad", "missing = acme_nowhere:X", "odd = acts:NotAnAction")
    with pytest.raises(PluginError, match=r"'bad' of the distribution 'acme-bad' is broken: RuntimeError: this") as bad:
        Catalog()["bad"]
    assert isinstance(bad.value.__cause__, RuntimeError)
    with pytest.raises(PluginError, match=r"'acme-bad' is broken: ModuleNotFoundError: No module named 'acme_nowhere'"):
        Catalog()["missing"]
    with pytest.raises(PluginError, match="not a subclass of flagman"):
        Catalog()["odd"]


def test_two_distributions_with_one_name(path: Path) -> None:
    """If two distributions offer one name, neither is guessed: the distribution's name chooses."""
    distribution(path, "acme-one", "good = acme_one:Good", acme_one=GOOD)
    distribution(path, "acme-two", "good = acme_two:Good", acme_two=GOOD)
    catalog = Catalog()
    with pytest.raises(PluginError, match="choose acme-one:good or acme-two:good"):
        catalog["good"]
    assert catalog["acme-two:good"].__module__ == "acme_two"
    assert {"acme-one:good", "acme-two:good"} <= set(catalog)
    assert "good" not in catalog


# What the entry_points.txt of another distribution may contain, and what may be there instead of it.
STRANGE = {
    "without =": b"[console_scripts]\nacme\n",
    "not UTF-8": b"[console_scripts]\nacme = acme:\xff\n",
    "no section": b"acme = acme:main\n",
    "a NUL": b"\0",
    "odd references": b"[console_scripts]\nacme = what is this?\n= x:y\nacme =\n",
    "a directory": None,
}


@pytest.mark.parametrize("kind", STRANGE)
def test_broken_metadata_of_another_distribution(path: Path, kind: str) -> None:
    """Broken metadata of another distribution has no effect, wherever it comes in the search order."""
    for name in ("aaa", "zzz"):
        distribution(path, name)
        points = path / f"{name}-1.0.dist-info" / "entry_points.txt"
        points.unlink()
        content = STRANGE[kind]
        if content is None:
            points.mkdir()
        else:
            points.write_bytes(content)
    distribution(path, "acme-good", "good = acme_good:Good", acme_good=GOOD)
    catalog = Catalog()
    assert catalog["good"].__name__ == "Good"
    assert "good" in list(catalog)
    assert catalog.broken == {}
    with pytest.raises(UnknownActionError, match=r"unknown action 'god'; did you mean 'good'\?$"):
        catalog["god"]


@pytest.mark.parametrize("content", [b"[flagman.action]\npurge\n", b"[flagman.action]\npurge = \xff\n"])
def test_a_plugin_with_broken_metadata(path: Path, content: bytes) -> None:
    """If the metadata of a plugin cannot be read, the error about its action says so."""
    distribution(path, "acme_tools")
    (path / "acme_tools-1.0.dist-info" / "entry_points.txt").write_bytes(content)
    catalog = Catalog()
    assert list(catalog.broken) == ["acme-tools"]
    with pytest.raises(
        UnknownActionError, match=r"the distribution 'acme-tools' is broken: its metadata cannot be read"
    ):
        catalog["purge"]
    assert any("BROKEN DISTRIBUTION: its metadata" in line for line in listing.lines(catalog, catalog.broken))


@pytest.mark.parametrize("value", ["acme_good", "acme_good:", ":Good", "what is this?", "acme good:Good", "é:", "..:x"])
def test_an_odd_reference(path: Path, value: str) -> None:
    """An entry point with an odd reference breaks its own action and nothing else."""
    distribution(path, "acme", f"odd = {value}", "good = acme_good : Good [extra]", acme_good=GOOD)
    catalog = Catalog()
    assert catalog["good"].__name__ == "Good"
    with pytest.raises(PluginError, match=r"^the action 'odd' of the distribution 'acme' is broken: "):
        catalog["odd"]


def test_an_odd_reference_of_another_group(path: Path) -> None:
    """The catalog ignores other groups, lines of no group, comments, and entry points without a name."""
    distribution(path, "acme", acme_good=GOOD)
    (path / "acme-1.0.dist-info" / "entry_points.txt").write_text(
        "odd\n[console_scripts]\nodd = what is this?\neven odder\n"
        " [flagman.action] \n# a comment\n\n = acme_good:Good\n good=acme_good:Good\n[x]\nother = acme_good:Good\n",
        encoding="utf-8",
    )
    catalog = Catalog()
    assert catalog.broken == {}
    assert list(catalog)[-1] == "good"
    assert catalog["good"].__name__ == "Good"


def test_metadata_without_a_name(path: Path) -> None:
    """If the metadata has no name, the name of the directory counts."""
    distribution(path, "acme", "good = acme_good:Good", acme_good=GOOD)
    (path / "acme-1.0.dist-info" / "METADATA").unlink()
    assert Catalog()["acme:good"].__name__ == "Good"


def test_what_an_upgrade_has_left_behind(path: Path) -> None:
    """The same offer in two folders is one offer, and a folder that pip has moved out of its way offers nothing."""
    distribution(path, "acme", "good = acme_good:Good", acme_good=GOOD)
    shutil.copytree(path / "acme-1.0.dist-info", path / "acme-1.1.dist-info")
    shutil.copytree(path / "acme-1.0.dist-info", path / "~cme-0.9.dist-info")
    (path / "~cme-0.9.dist-info" / "entry_points.txt").write_text(
        "[flagman.action]\ngood = old:Old\n", encoding="utf-8"
    )
    catalog = Catalog()
    assert catalog["good"] is catalog["acme:good"]
    assert list(catalog).count("good") == 1


def test_two_versions_of_one_distribution(path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of two versions of a distribution the imported one counts; if both are in one directory, neither is guessed."""
    other = tmp_path_factory.mktemp("other")
    sys.path.append(str(other))
    try:
        distribution(path, "acme", "good = acme_good:Good", acme_good=GOOD)
        distribution(other, "acme", "good = acme_old:Good", "old = acme_old:Good")
        catalog = Catalog()
        assert catalog["good"].__module__ == "acme_good"
        assert "old" not in catalog
    finally:
        sys.path.remove(str(other))
    shutil.copytree(path / "acme-1.0.dist-info", path / "acme-1.1.dist-info")
    (path / "acme-1.1.dist-info" / "entry_points.txt").write_text(
        "[flagman.action]\ngood = acme:New\n", encoding="utf-8"
    )
    catalog.look_again()
    with pytest.raises(
        PluginError, match="the action 'good' is offered more than once: choose acme:New or acme_good:Good"
    ):
        catalog["good"]


def test_a_way_to_find_distributions_that_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finder of distributions that fails, which is not flagman's, has no effect."""

    class Finder:
        @staticmethod
        def find_distributions(context: object) -> NoReturn:
            raise RuntimeError(str(context))

    distribution(path, "acme", "good = acme_good:Good", acme_good=GOOD)
    for finders in ([*sys.meta_path, Finder], [Finder, *sys.meta_path]):
        monkeypatch.setattr(sys, "meta_path", finders)
        assert Catalog()["good"].__name__ == "Good"


def test_names_do_nothing_to_a_terminal(path: Path) -> None:
    """Neither the names of actions nor the messages about them send control characters to a terminal."""
    for name in ("one", "two"):
        distribution(path, name, "good = acme_good:Good", "\x1b[31mred = acme_good:Good", acme_good=GOOD)
        metadata = path / f"{name}-1.0.dist-info" / "METADATA"
        metadata.write_text(f"Metadata-Version: 2.1\nName: \x1b[31m{name}\nVersion: 1.0\n", encoding="utf-8")
    catalog = Catalog()
    assert "\x1b" not in "".join(listing.lines(catalog, catalog.broken))
    done = run("--check", "--usr1", "good", PYTHONPATH=f"{path}")
    assert "choose \\x1b[31mone:good or" in done.stderr


def test_a_plugin_cannot_replace_a_built_in_action(path: Path) -> None:
    """A plugin's action with the name of a built-in one is found under its full name only."""
    distribution(path, "acme", "print = acme:Good", acme=GOOD)
    catalog = Catalog()
    assert catalog["print"] is PrintAction
    assert catalog["acme:print"].__module__ == "acme"
    assert "acme:print" in set(catalog)


def test_a_class_can_be_named_directly(path: Path) -> None:
    """During development a class can be named directly, without an entry point."""
    (path / "mine.py").write_text(GOOD + "class Outer:\n    Inner = Good\n", encoding="utf-8")
    catalog = Catalog()
    assert catalog["mine:Good"].__name__ == "Good"
    assert catalog["mine:Outer.Inner"].__name__ == "Good"
    with pytest.raises(PluginError, match="'mine:Bad' is broken: AttributeError"):
        catalog["mine:Bad"]
    with pytest.raises(PluginError, match="'acts:NotAnAction' is broken"):
        catalog["acts:NotAnAction"]
    with pytest.raises(PluginError, match="RuntimeError: this plugin is"):
        catalog["broken_plugin:X"]


@pytest.mark.parametrize("name", ["nowhere:X", "no.where:X", "not-a-module:X", ":X", "x:", "::", "", " ", "../x:Y"])
def test_what_does_not_exist_is_unknown(name: str) -> None:
    """A name that leads nowhere is an unknown action, and a KeyError for mappings."""
    with pytest.raises(UnknownActionError, match="unknown action") as caught:
        Catalog()[name]
    assert isinstance(caught.value, KeyError)


def test_a_typing_mistake_gets_a_suggestion() -> None:
    """A mistyped name is answered with the nearest name, or with a hint where to look."""
    with pytest.raises(UnknownActionError, match="did you mean 'print_once'"):
        Catalog()["prnt_once"]
    with pytest.raises(UnknownActionError, match="flagman --list"):
        Catalog()["zzzzzz"]
