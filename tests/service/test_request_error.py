"""What is wrong with a request, as its answer tells it."""

from __future__ import annotations

from flagman.service.request_error import RequestError


def test_an_error_has_a_code_and_a_message() -> None:
    """The answer to a request that fails has a code for programs and a message for people."""
    error = RequestError(404, "no-such-flag", "no flag 'usr3'")
    assert error.body == {"error": {"code": "no-such-flag", "message": "no flag 'usr3'"}}


def test_an_error_has_what_helps() -> None:
    """It also has names that may have been meant, and all mistakes, if there are any."""
    error = RequestError(409, "reload-failed", "a; b", did_you_mean=["usr1"], mistakes=["a", "b"])
    assert error.body["error"] == {
        "code": "reload-failed",
        "message": "a; b",
        "did_you_mean": ["usr1"],
        "mistakes": ["a", "b"],
    }
