"""The router: from a method and a path to a route, and what is said if there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flagman.control.router import Router
from flagman.service.request_error import RequestError

if TYPE_CHECKING:
    from flagman.service.request import Request


def all_flags(_: Request) -> None:
    """Stand for a route."""


def one_flag(_: Request) -> None:
    """Stand for a route."""


ROUTER = Router(
    {
        ("POST", "/flags/NAME"): one_flag,
        ("GET", "/flags/NAME"): one_flag,
        ("POST", "/flags/all"): all_flags,
        ("DELETE", "/"): all_flags,
        ("POST", "/a/NAME/b/OTHER"): one_flag,
    }
)


@pytest.mark.parametrize(
    ("method", "path", "route", "values"),
    [
        ("POST", ("flags", "usr1"), one_flag, {"NAME": "usr1"}),
        ("POST", ("flags", "a/b"), one_flag, {"NAME": "a/b"}),
        ("POST", ("flags", "NAME"), one_flag, {"NAME": "NAME"}),
        ("POST", ("flags", "all"), all_flags, {}),
        ("HEAD", ("flags", "usr1"), one_flag, {"NAME": "usr1"}),
        ("DELETE", ("",), all_flags, {}),
        ("POST", ("a", "1", "b", "2"), one_flag, {"NAME": "1", "OTHER": "2"}),
    ],
)
def test_routes(method: str, path: tuple[str, ...], route: object, values: dict[str, str]) -> None:
    """A segment in capitals is a value, unless another path has just this segment."""
    assert ROUTER.find(method, path) == (route, values)


@pytest.mark.parametrize("path", [("flags",), ("flags", ""), ("flags", "a", "b"), ("",) * 2, ("Flags", "a"), ()])
def test_no_such_path(path: tuple[str, ...]) -> None:
    """A path that is not exactly one of them is not found, for any method."""
    with pytest.raises(RequestError, match="there is no path '/") as caught:
        ROUTER.find("POST", path)
    assert (caught.value.status, caught.value.code) == (404, "no-such-path")
    if path:
        with pytest.raises(RequestError):
            ROUTER.allowed(path)


def test_a_path_that_may_have_been_meant() -> None:
    """A similar path is named, and control characters do not reach the message."""
    with pytest.raises(RequestError) as caught:
        ROUTER.find("GET", ("flag", "\x1b\udcff"))
    assert caught.value.did_you_mean == ("/flags/all",)
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()


def test_methods() -> None:
    """A path that does not have the method says which ones it has."""
    with pytest.raises(RequestError, match="DELETE is not served at this path") as caught:
        ROUTER.find("DELETE", ("flags", "usr1"))
    assert (caught.value.status, caught.value.code) == (405, "method-not-allowed")
    assert caught.value.headers == {"Allow": "GET, HEAD, OPTIONS, POST"}
    with pytest.raises(RequestError, match="these are: OPTIONS, POST"):
        ROUTER.find("HEAD", ("flags", "all"))
    assert ROUTER.allowed(()) == "DELETE, GET, HEAD, OPTIONS, POST"
