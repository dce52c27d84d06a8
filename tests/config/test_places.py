"""Where a daemon can be asked: addresses, and what is none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.config import places
from flagman.config.values import Places

PORTS = st.integers(min_value=0, max_value=65_535)
# Texts that look like addresses, or nearly so.
NEARLY = st.text(alphabet="0123456789.:[]/*abl-", max_size=20) | st.from_regex(r"\A[^/]{0,9}:[0-9]{0,6}\Z")


@given(st.sampled_from(["127.0.0.1", "[::1]"]), PORTS)
def test_an_address(host: str, port: int) -> None:
    """Both addresses of this machine are accepted, with each port; what was read is an address and no path."""
    text = f"{host}:{port}"
    assert places.read(text) == text
    assert places.is_address(text)
    assert places.address(text) == (host, port)
    assert not places.is_address(f"./{text}")
    assert places.read(f"./{text}") == f"./{text}"


@given(NEARLY | st.text())
def test_nothing_else_is_an_address(text: str) -> None:
    """Of all texts only these are addresses; no other one that looks like one becomes a path by mistake."""
    try:
        place = places.read(text)
    except ValueError:
        return
    assert place == text
    if places.is_address(text):
        host, port = places.address(text)
        assert host in {"127.0.0.1", "[::1]"}
        assert 0 <= port <= 65_535
        assert text == f"{host}:{port}"
    else:
        assert "\0" not in text
        assert text
        assert "/" in text or not re.fullmatch(r".*:[0-9]*", text, re.DOTALL)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "0.0.0.0:80",
            "localhost:80",
            "127.0.0.2:80",
            "127.1:80",
            "2130706433:80",
            "10.0.0.1:80",
            "*:80",
            ":80",
            "80",
        ),
        *("[::]:80", "[::1%lo]:80", "::1:80", "::1", "[0:0:0:0:0:0:0:1]:80", "[::ffff:127.0.0.1]:80", "[127.0.0.1]:80"),
        *(
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "127.0.0.1:080",
            "127.0.0.1:٣",
            "127.0.0.1:-1",
            "127.0.0.1:http",
        ),
        *("http://127.0.0.1:80", "tcp://127.0.0.1:80/", "HTTP://[::1]:80", "127.0.0.1:80:80", "[::1]", "[::1]:x"),
        *("127.0.0.1:80\n", " 127.0.0.1:80", "0127.0.0.1:80", "example.org:80", "", "\0"),
    ],
)
def test_what_is_refused(text: str) -> None:
    """What is meant as an address, and is not one of this machine alone, is neither served nor taken for a path."""
    with pytest.raises(ValueError, match=r"[a-z]"):
        places.read(text)


@pytest.mark.parametrize("text", ["x.sock", "a:b", "/run/x:80", "run/127.0.0.1:80", "web:sock", "-", "x.80s", "ä"])
def test_a_path(text: str) -> None:
    """Other words are paths."""
    assert places.read(text) == text
    assert not places.is_address(text)


@pytest.mark.parametrize(
    ("in_file", "found"),
    [
        (False, ()),
        (True, (True,)),
        ("x", ("x",)),
        ([], ()),
        ([True, "x", "127.0.0.1:80"], (True, "x", "127.0.0.1:80")),
    ],
)
def test_the_key_of_the_file(in_file: object, found: tuple[object, ...]) -> None:
    """The key takes one place or several, and is written so that it reads back the same."""
    kind = Places("PLACE")
    assert kind.load(in_file) == found
    dumped = kind.dump(found)
    assert (() if dumped is None else kind.load(dumped)) == found


@pytest.mark.parametrize("in_file", [1, None, [False], [1], [["x"]], {"a": "x"}, "", [""], ["0.0.0.0:1"], 1.0])
def test_a_wrong_key(in_file: object) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"[a-z]"):
        Places("PLACE").load(in_file)


def test_an_absolute_place() -> None:
    """Only a path changes when it is made absolute."""
    there = {place: places.placed(place, "/there/{}".format) for place in (True, "x", "127.0.0.1:80", "./1:80")}
    assert there == {True: True, "x": "/there/x", "127.0.0.1:80": "127.0.0.1:80", "./1:80": "/there/./1:80"}
