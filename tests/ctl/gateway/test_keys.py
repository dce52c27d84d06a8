"""The key and the cookie of the gateway."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.ctl.gateway.keys import Keys, values

# Whatever the parser lets through into a field.
FIELD = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"))
TOKEN = st.text(st.characters(codec="ascii", categories=("L", "N")) | st.sampled_from("!#$%&'*+-.^_`|~"), min_size=1)
# The characters of values that RFC 6265 allows.
VALUE = st.text(st.characters(codec="ascii", min_codepoint=33, exclude_characters='",;\\\x7f'))


def cookie_of(keys: Keys) -> str:
    """Exchange the key; return the cookie as a browser sends it."""
    given = keys.exchange(keys.key)
    assert given is not None
    return given.partition(";")[0]


@given(st.lists(st.tuples(TOKEN, VALUE)), TOKEN)
def test_the_values_of_a_field(pairs: list[tuple[str, str]], name: str) -> None:
    """All values of a name are found, in their order, whatever stands between them."""
    found = [value for each, value in pairs if each == name]
    for separator in ("; ", ";", " ;\t"):
        assert values(separator.join(f"{each}={value}" for each, value in pairs), name) == found


@given(FIELD)
def test_any_field(field: str) -> None:
    """Nothing that a client sends is taken for the cookie, and nothing is an error."""
    keys = Keys(8080)
    assert not keys.admits(field)
    cookie = cookie_of(keys)
    assert not keys.admits(field)
    assert keys.admits(f"{field.replace(';', '')};{cookie}")
    assert keys.admits(f"{cookie};{field}")


def test_the_key_and_the_cookie_are_random() -> None:
    """Each gateway has others, and none can be guessed from the others."""
    made = [Keys(8080) for _ in range(20)]
    texts = {keys.key for keys in made} | {cookie_of(keys).partition("=")[2] for keys in made}
    assert len(texts) == 40
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", text) for text in texts)


@pytest.mark.parametrize("wrong", ["", "x", "\udcff", "ä" * 43, "x" * 100_000])
def test_a_wrong_key(wrong: str) -> None:
    """Nothing but the whole key opens, and a wrong one does not use it up."""
    keys = Keys(8080)
    for each in (wrong, keys.key[:-1], keys.key + "x", f" {keys.key}", keys.key.swapcase(), keys.key + wrong + "\n"):
        assert keys.exchange(each) is None
    assert keys.exchange(keys.key) is not None


def test_the_key_is_used_up() -> None:
    """The second exchange fails, and the cookie of the first goes on."""
    keys = Keys(8080)
    cookie = cookie_of(keys)
    assert keys.exchange(keys.key) is None
    assert keys.admits(cookie)


def test_before_the_exchange_nothing_is_admitted() -> None:
    """Not even the cookie, which nothing has been told yet."""
    keys = Keys(8080)
    assert not keys.admits(f"flagman-8080={keys._cookie}")


def test_what_is_not_the_cookie() -> None:
    """A cookie of another port, of another name, a part of it, the key: nothing of that is it."""
    keys = Keys(8080)
    name, _, value = cookie_of(keys).partition("=")
    assert name == "flagman-8080"
    wrong = [
        *(
            "",
            value,
            f"={value}",
            f"{name}",
            f"{name}=",
            f"{name}={value[:-1]}",
            f"{name}={value}x",
            f'{name}="{value}"',
        ),
        *(f"flagman-808={value}", f"flagman-80800={value}", f"Flagman-8080={value}", f"flagman-8080 ={value}"),
        *(f"{name}= {value}", f"{name}={keys.key}", f"x{name}={value}", f"a=b, {name}={value}", f"{name}={value},"),
    ]
    assert [each for each in wrong if keys.admits(each)] == []


def test_another_server_of_this_host_sets_a_cookie_of_the_name() -> None:
    """Browsers do not keep cookies apart by ports: one of the same name beside the right one changes nothing."""
    keys = Keys(8080)
    cookie = cookie_of(keys)
    assert keys.admits(f"flagman-8080=theirs; {cookie}")
    assert keys.admits(f"{cookie}; flagman-8080=; flagman-8080")
    assert not keys.admits("flagman-8080=theirs; flagman-8080=theirs")
