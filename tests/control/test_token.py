"""The token of the addresses, and its file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman.control.token import Token
from flagman.exceptions import UsageError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = b"0123456789-._~+/abcXYZ=="


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    """Return a file with a token."""
    path = tmp_path / "token"
    path.write_bytes(TOKEN + b"\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o660, 0o440])
def test_a_token(file: Path, end: bytes, mode: int) -> None:
    """The end of the line is no part of it; a group may read its file."""
    file.chmod(0o600)
    file.write_bytes(TOKEN + end)
    file.chmod(mode)
    token = Token(str(file))
    assert token.is_equal(TOKEN)
    for other in (b"", TOKEN + b"\n", TOKEN[:-1], TOKEN.lower(), TOKEN + TOKEN, b"\xff"):
        assert not token.is_equal(other)
    assert TOKEN.decode() not in repr(token)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n", b"short", TOKEN + b"\n\n", TOKEN + b"\r\n", b" " + TOKEN, TOKEN + b"\n" + TOKEN, b"=" * 20),
        *(b"a=b" * 9, b"a" * 15, b"a" * 1025, b"a" * 100_000, b"\xff" * 20, b"a b" * 9, b'"' + b"a" * 20 + b'"'),
    ],
)
def test_what_is_no_token(file: Path, content: bytes) -> None:
    """Anything else in the file is refused in one line, which does not show it."""
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"^--control-token: '.*' has no token: one line of 16 to 1024 ") as caught:
        Token(str(file))
    assert len(str(caught.value).splitlines()) == 1
    assert not content.strip() or repr(content.strip())[2:-1] not in str(caught.value).replace(str(file), "")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_a_file_that_others_can_use(file: Path, mode: int) -> None:
    """A file that other users can read, or write, holds no secret."""
    file.chmod(mode)
    with pytest.raises(UsageError, match=rf"other users may read or write '.*', which has mode {mode:03o}; use 600"):
        Token(str(file))


def test_what_is_no_file(tmp_path: Path) -> None:
    """A directory, a FIFO that has no writer, and a file that is missing are refused at once."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path, reason in (("", "not a regular file"), ("fifo", "not a regular file"), ("no", "No such file")):
        with pytest.raises(UsageError, match=reason):
            Token(str(tmp_path / path))


def test_a_link(file: Path) -> None:
    """A link may lead to the file, as where Kubernetes has mounted it."""
    link = file.with_name("link")
    link.symlink_to(file)
    assert Token(str(link)).is_equal(TOKEN)


def test_a_new_token(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is read again; the former one does not hold any more, and neither is logged."""
    caplog.set_level("DEBUG")
    token = Token(str(file))
    token.renew()
    assert not caplog.records
    new = file.with_name("new")
    new.write_bytes(b"b" * 16)
    new.chmod(0o600)
    new.rename(file)
    token.renew()
    assert token.is_equal(b"b" * 16)
    assert not token.is_equal(TOKEN)
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert "bbb" not in record.getMessage()


@pytest.mark.parametrize("is_in_reach", [True, False])
def test_a_token_that_cannot_be_read_again(file: Path, caplog: pytest.LogCaptureFixture, *, is_in_reach: bool) -> None:
    """The former one stays, and one record says why."""
    token = Token(str(file), is_in_reach=is_in_reach)
    for spoil in (lambda: file.chmod(0o644), lambda: file.write_bytes(b"x"), file.unlink):
        spoil()
        caplog.clear()
        token.renew()
        assert token.is_equal(TOKEN)
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert "stays" in record.getMessage()


@given(st.binary())
def test_no_bytes_are_too_strange_to_compare(given_: bytes) -> None:
    """Whatever a client sends is compared, and only the token is equal."""
    token = object.__new__(Token)
    token._value = TOKEN
    assert token.is_equal(given_) == (given_ == TOKEN)
