"""The package as a whole: importing it does nothing, its names are there, its metadata agrees with its code."""

from __future__ import annotations

import importlib.metadata
import signal
import subprocess
import sys

import pytest

import flagman.cli
import flagman.daemon
from support.driven import clean_environment, script


def python(*words: str) -> str:
    """Run Python with these words in a fresh process that fails on warnings."""
    command = [sys.executable, "-W", "error", *words]
    return subprocess.run(
        command, env=clean_environment(), check=True, capture_output=True, encoding="utf-8", timeout=60
    ).stdout


def test_what_some_public_names_are() -> None:
    """Public names that are types or modules have their documented values."""
    assert [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2] == flagman.HANDLED_SIGNALS
    assert flagman.types.ActionName is flagman.types.ActionArgument is str
    assert flagman.types.SignalNumber is int


def test_other_names_do_not_exist() -> None:
    """An unknown attribute of a package with lazy look-up is an AttributeError."""
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        flagman.bogus  # noqa: B018 - looking it up is the test
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        flagman.actions.bogus  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        flagman.cli.bogus  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        flagman.daemon.bogus  # noqa: B018


def test_importing_does_nothing() -> None:
    """Importing flagman loads no plugin and almost no module, sets no handler or logging, and opens no descriptor."""
    python(script("import_flagman"))


def test_the_version_is_the_metadatas() -> None:
    """The version of the package is that of its metadata, because it is written in one place."""
    assert importlib.metadata.version("flagman") == flagman.__version__
