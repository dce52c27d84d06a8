"""Any file, any command line, any sequence of reloads: a known status, no traceback, no child left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from support.driven import DEADLINE, Flagman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# See prctl(2).
PR_SET_CHILD_SUBREAPER = 36

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and prctl")


@pytest.fixture(name="children")
def _children() -> Iterator[Callable[[], set[str]]]:
    """Yield a function that lists the children of this process, which adopts all orphans of its daemons."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0

    def children() -> set[str]:
        found: set[str] = set()
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError):
                found |= set((task / "children").read_text(encoding="ascii").split())
        return found

    yield children
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0


ACTIONS = [
    ["print", "x"],
    ["acts:Counter", "x"],
    ["log", "warning", "ü\n%s"],
    ["exec", "true"],
    ["exec", "false"],
    ["exec", "sleep", "1000"],
    ["exec", "/no/such"],
    ["sh", "sleep 0.01; kill -9 $$"],
    ["sh", "echo a; echo b >&2; exit 3"],
    ["http", "GET", "http://127.0.0.1:9/"],
    ["touch", "/no/such/file"],
    ["acts:Picky", "right"],
    ["reload"],
    ["stop"],
]
NO_ACTIONS = [
    ["print"],
    ["prnt", "x"],
    ["log", "loud", "x"],
    ["acts:Picky", "crash"],
    ["acts:FailSetUp"],
    ["broken_plugin:X"],
    [""],
]
SOURCES = [
    ("signal", "USR1"),
    ("signal", "usr2"),
    ("signal", "WINCH"),
    ("signal", "TERM"),
    ("signal", "RTMIN+2"),
    ("every", "5ms"),
    ("after", "0"),
]
NO_SOURCES = [("signal", "KILL"), ("every", "0"), ("after", "soon")]
OPTIONS = [
    ("overlap", "rerun"),
    ("on-error", "close"),
    ("on-error", "exit"),
    ("timeout", "10ms"),
    ("jitter", "0.02"),
    ("debounce", "5ms"),
    ("max-failures", "2"),
]
NO_OPTIONS = [("bogus", "1"), ("overlap", "ü"), ("timeout", "-1"), ("max-failures", "x")]

Bindings = list[tuple[tuple[str, str], list[str], dict[str, str]]]


@st.composite
def bindings(draw: st.DrawFn, most: int) -> Bindings:
    """Draw some bindings; in every fourth lot there may be mistakes."""
    wrong = draw(st.integers(0, 3)) == 3
    one = st.tuples(
        st.sampled_from(SOURCES + NO_SOURCES * wrong),
        st.sampled_from(ACTIONS + NO_ACTIONS * wrong),
        st.lists(st.sampled_from(OPTIONS + NO_OPTIONS * wrong), max_size=2).map(dict),
    )
    return draw(st.lists(one, max_size=most))


def literal(text: str) -> str:
    """Return a string as TOML."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@st.composite
def files(draw: st.DrawFn) -> str:
    """Return a configuration file, right or wrong."""
    lines = []
    for (key, value), (name, *arguments), options in draw(bindings(4)):
        lines += ["[[on]]", f"{key} = {literal(value)}", f"action = {literal(name)}"]
        lines += [f"args = [{', '.join(map(literal, arguments))}]"]
        lines += [f"{key} = {literal(value)}" for key, value in options.items()]
    return "\n".join(lines) + draw(st.sampled_from([*[""] * 9, "\n[on", "\n\0"]))


@st.composite
def words(draw: st.DrawFn) -> list[str]:
    """Return a command line, right or wrong."""
    line: list[str] = []
    for (key, value), action, options in draw(bindings(2)):
        line += [f"--{key}", value, *action]
        for name, text in options.items():
            line += [f"--{name}", text]
    return line


BOUNDS = ("--stop-timeout", "50ms", "--timeout", "100ms")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    line=words(), first=files(), others=st.lists(files(), max_size=4), signums=st.lists(st.sampled_from([10, 12, 28]))
)
@pytest.mark.slow
def test_any_life(  # noqa: PLR0917 - the drawn values, and the fixtures
    line: list[str],
    first: str,
    others: list[str],
    signums: list[int],
    children: Callable[[], set[str]],
    tmp_path: Path,
) -> None:
    """A daemon with any file, command line, reloads and signals ends with a known status and leaves no child."""
    before = children()
    path = tmp_path / "flagman.toml"
    path.write_text(first, encoding="utf-8")
    with Flagman(tmp_path, "-c", str(path), "--hup", "reload", *BOUNDS, *line, merged=True) as daemon:
        try:
            daemon.ready()
            event("ready")
            for text in others:
                path.write_text(text, encoding="utf-8")
                daemon.signal(signal.SIGHUP, *signums)
                daemon.ready()
                event("reloaded")
        except AssertionError:
            assert daemon.process.poll() is not None, "it may end at any time, but not fall silent"
        with suppress(ProcessLookupError):
            daemon.signal(signal.SIGTERM)
        event(f"status {daemon.status()}")
        assert daemon.status() in (0, 1, 2)
        said = daemon.out.rest()
        tracebacks = [before for before, line in pairwise(["", *said]) if "Traceback" in line]
        assert all("setting up `acts:FailSetUp` failed: RuntimeError" in before for before in tracebacks), said
        if daemon.process.returncode == 2:
            assert all(line.startswith("flagman: error: ") for line in said if "flagman.cli:" not in line), said
    limit = time.monotonic() + DEADLINE
    for child in children() - before:  # killed with its group, it is left to this process to reap
        while os.waitpid(int(child), os.WNOHANG) == (0, 0):
            assert time.monotonic() < limit, "a child lives on"
            time.sleep(0.01)
