"""The tables of verifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.supervise.verifiers.keys import Mistakes
from flagman.supervise.verifiers.reading import KINDS, read

GOOD = {
    "started": ({"type": "started"}, "started"),
    "delay": ({"type": "delay", "for": "2m"}, "delay 2m"),
    "tcp": ({"type": "tcp", "address": "127.0.0.1:5433", "timeout": "1m"}, "tcp 127.0.0.1:5433"),
    "tcp, a port": ({"type": "tcp", "address": ":5433"}, "tcp :5433"),
    "tcp, IPv6": ({"type": "tcp", "address": "[::1]:5433"}, "tcp [::1]:5433"),
    "exited": ({"type": "exited"}, "exited"),
    "exited, 3": ({"type": "exited", "status": 3}, "exited with status 3"),
}


@pytest.mark.parametrize(("table", "text"), GOOD.values(), ids=GOOD)
def test_good_tables(table: dict[str, object], text: str) -> None:
    """A good table is read, and equal to another one of the same content."""
    check = read(table, liveness=False)
    assert check.text() == text
    assert check.kind == table["type"]
    assert check == read(dict(reversed(table.items())), liveness=False)
    assert check != read({"type": "delay", "for": 77}, liveness=False)
    assert text in repr(check)


BAD = {
    "no table": (3, ['is not a table, such as { type = "tcp", address = "127.0.0.1:8000" }']),
    "no type": ({}, ["key 'type': is missing; it is a string, such as \"tcp\""]),
    "empty": ("", ["key 'type': is empty"]),
    "a number": ({"type": 3}, ["key 'type': is not a string, such as \"tcp\""]),
    "unknown": ({"type": "tpc"}, ["key 'type': 'tpc' is unknown; did you mean 'tcp'?"]),
    "all at once": (
        {"type": "tcp", "timeout": "5 fortnights", "attempt-timeout": 0, "addr": ":80"},
        [
            "key 'timeout': '5 fortnights' is not a span of time such as 90, 250ms, 5m, 1h30m or 1d",
            "key 'attempt-timeout': '0' is too short; the shortest is 1ms",
            'key \'address\': is missing; it is a string, such as "127.0.0.1:8000" or ":8000"',
            "key 'addr': unknown; did you mean 'address'?",
        ],
    ),
    "no port": (
        {"type": "tcp", "address": "a"},
        ["key 'address': 'a' is not of the form HOST:PORT, [ADDRESS]:PORT or :PORT"],
    ),
    "port 0": ({"type": "tcp", "address": "a:0"}, ["key 'address': 'a:0' has no port from 1 to 65535"]),
    "port 65536": ({"type": "tcp", "address": ":65536"}, ["key 'address': ':65536' has no port from 1 to 65535"]),
    "no brackets": (
        {"type": "tcp", "address": "::1:80"},
        ["key 'address': '::1:80' is not of the form HOST:PORT, [ADDRESS]:PORT or :PORT"],
    ),
    "status": ({"type": "exited", "status": 256}, ["key 'status': must be at most 255, not 256"]),
    "a switch for a number": ({"type": "exited", "status": True}, ["key 'status': is not a whole number"]),
    "no delay": ("delay", ["key 'for': is missing; it is a span of time, such as \"30s\""]),
    "a delay with a timeout": (
        {"type": "delay", "for": "1s", "timeout": "1s"},
        ["key 'timeout': unknown; the keys are type, for"],
    ),
}


@pytest.mark.parametrize(("table", "messages"), BAD.values(), ids=BAD)
def test_bad_tables(table: object, messages: list[str]) -> None:
    """All mistakes of a table are told at once, each with its key."""
    with pytest.raises(Mistakes) as caught:
        read(table, liveness=False)
    assert caught.value.messages == messages


def test_a_host_that_cannot_be_resolved() -> None:
    """A host that cannot be resolved is a mistake."""
    with pytest.raises(Mistakes, match=r"key 'address': the host 'no-such-host\.invalid' cannot be resolved: "):
        read({"type": "tcp", "address": "no-such-host.invalid:80"}, liveness=False)


def test_the_defaults() -> None:
    """The defaults are those of the documentation."""
    ready = read({"type": "tcp", "address": ":80"}, liveness=False)
    assert (ready.timeout, ready.attempt_timeout) == (30, 1)
    live = read({"type": "tcp", "address": ":80"}, liveness=True)
    assert (live.timeout, live.attempt_timeout, live.every, live.failures, live.restart) == (3, 3, 10, 3, False)
    assert ready != live
    assert live.looks_before


def test_some_kinds_tell_of_a_start_only() -> None:
    """Some kinds cannot tell whether a process still works, and others have other keys then."""
    with pytest.raises(Mistakes, match="key 'type': 'exited' tells of a start only"):
        read("exited", liveness=True)
    with pytest.raises(Mistakes) as caught:
        read({"type": "tcp", "address": ":80", "attempt-timeout": 3, "failures": 0, "restart": 1}, liveness=True)
    assert [message.partition(": ")[0] for message in caught.value.messages] == [
        "key 'failures'",
        "key 'restart'",
        "key 'attempt-timeout'",
    ]


KEYS = [
    *["access", "address", "attempt-timeout", "ca", "command", "every", "expect", "failures", "fd", "for", "fresh"],
    *["headers", "path", "restart", "status", "timeout", "unix", "url", "verify", "watchdog", "other"],
]
TEXTS = [
    *["", "1s", "x", "0", "2xx", "leader", "/a", "@b", "\0", "\ud800", "[::1]:80", ":0", "::", "127.0.0.1:99999999999"],
    *["http://[::1]/", "https://[::1]/", "http://[::1", "unix:/a:/b", "unix:/\0:/b", "http://[::1]/\x7f", "https:///"],
]
VALUES = st.one_of(
    st.sampled_from(TEXTS),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.lists(st.one_of(st.sampled_from(TEXTS), st.integers(0, 600)), max_size=3),
    st.dictionaries(st.sampled_from(TEXTS), st.one_of(st.sampled_from(TEXTS), st.integers()), max_size=2),
)


@given(st.sampled_from([*KINDS, "file", "exited"]), st.dictionaries(st.sampled_from(KEYS), VALUES), st.booleans())
def test_any_table(kind: str, table: dict[str, object], liveness: bool) -> None:  # noqa: FBT001 - drawn
    """Any table is either read, and equal to itself, or refused with messages that name its keys."""
    table = {"type": kind, **table}
    check, messages = None, ["key '"]
    try:
        check = read(table, liveness=liveness)
    except Mistakes as mistakes:
        messages = mistakes.messages
    assert messages
    assert all(message.startswith("key '") for message in messages)
    if check is not None:
        assert check.text().isprintable()
        assert check == read(table, liveness=liveness)
        assert check.timeout > 0
        assert check.attempt_timeout > 0
