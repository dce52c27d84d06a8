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
    """Run something in a fresh interpreter that fails on warnings."""
    command = [sys.executable, "-W", "error", *words]
    return subprocess.run(
        command, env=clean_environment(), check=True, capture_output=True, encoding="utf-8", timeout=60
    ).stdout


def test_what_some_public_names_are() -> None:
    """Also those that are modules."""
    assert [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2] == flagman.HANDLED_SIGNALS
    assert flagman.types.ActionName is flagman.types.ActionArgument is str
    assert flagman.types.SignalNumber is int


def test_other_names_are_not() -> None:
    """The lazy look-up does not make anything up."""
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        flagman.bogus  # noqa: B018 - looking it up is the test
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        flagman.actions.bogus  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        flagman.cli.bogus  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        flagman.daemon.bogus  # noqa: B018


def test_importing_does_nothing() -> None:
    """No plugin, no handler, no logging, no descriptor; and next to no other module."""
    python(script("import_flagman"))


def test_the_version_is_the_metadatas() -> None:
    """It is written in one place."""
    assert importlib.metadata.version("flagman") == flagman.__version__
