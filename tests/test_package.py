"""The package as a whole: importing it does nothing, its names are there, its metadata agrees with its code."""

from __future__ import annotations

import importlib.metadata
import signal
import subprocess
import sys

import pytest

import flagman.cli
import flagman.daemon
from support.driven import clean_environment


def python(program: str) -> str:
    """Run a program in a fresh interpreter that fails on warnings."""
    command = [sys.executable, "-W", "error", "-c", program]
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
    program = """
import os, signal, sys
handlers = [signal.getsignal(s) for s in signal.valid_signals()]
descriptors = os.listdir("/dev/fd")
modules = set(sys.modules)
import flagman
assert {m for m in sys.modules if m.startswith("flagman")} == {"flagman"}, sys.modules
assert not {"logging", "argparse", "importlib.metadata", "typing"} & (set(sys.modules) - modules)
import flagman.core, flagman.cli
assert handlers == [signal.getsignal(s) for s in signal.valid_signals()]
assert len(descriptors) == len(os.listdir("/dev/fd"))
import logging
assert not logging.getLogger().handlers
"""
    python(program)


def test_the_version_is_the_metadatas() -> None:
    """It is written in one place."""
    assert importlib.metadata.version("flagman") == flagman.__version__
