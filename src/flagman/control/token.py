"""The token of the addresses: a secret in a file, which each request over TCP has to show."""

from __future__ import annotations

import logging
import os
import re
import stat
from hmac import compare_digest

from flagman.exceptions import UsageError

logger = logging.getLogger("flagman.control")

# Characters: fewer might be guessed.
_SHORTEST, _LONGEST = 16, 1024
# A token as it can stand in the field Authorization, see b64token in RFC 6750.
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
_OF_OTHERS = stat.S_IROTH | stat.S_IWOTH
# A FIFO does not keep the start waiting.
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class Token:
    """The token that holds.

    It is never logged, and shown nowhere.

    :param path: of its file, absolute
    :param is_in_reach: whether the path leads to the same place later, and not into another root
    :raises UsageError: if there is no such file, it is not meant for this, or other users may read or write it
    """

    def __init__(self, path: str, *, is_in_reach: bool = True) -> None:
        self._path = path
        self._is_in_reach = is_in_reach
        self._value = _value(path)

    def is_equal(self, given: bytes) -> bool:
        """Return whether a client has the token; the time that this takes tells nothing about it."""
        return compare_digest(self._value, given)

    def renew(self) -> None:
        """Read the file again; if that fails, the token stays, and the reason is logged."""
        if not self._is_in_reach:
            logger.warning("--control-token: the token stays as it is, because its file is outside of --chroot")
            return
        try:
            value = _value(self._path)
        except UsageError as error:
            logger.warning("%s; the former token stays", error)
            return
        if value != self._value:
            logger.info("The token of the control interface is another one from now on")
        self._value = value


def _value(path: str) -> bytes:
    """Return the token in a file.

    :raises UsageError: if there is none
    """
    try:
        descriptor = os.open(path, _OPEN)
    except OSError as error:
        raise UsageError(f"--control-token: cannot read {path!r}: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"--control-token: {path!r} is not a regular file")
        if status.st_mode & _OF_OTHERS:
            mode = stat.S_IMODE(status.st_mode)
            raise UsageError(
                f"--control-token: other users may read or write {path!r}, which has mode {mode:03o}; use 600 or 640"
            )
        text = os.read(descriptor, _LONGEST + 2).removesuffix(b"\n")
    except OSError as error:
        raise UsageError(f"--control-token: cannot read {path!r}: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if not _SHORTEST <= len(text) <= _LONGEST or not _TOKEN.fullmatch(text):
        raise UsageError(
            f"--control-token: {path!r} has no token: one line of {_SHORTEST} to {_LONGEST} letters, digits and"
            " characters of -._~+/, with = at the end only, as the command openssl rand -hex 32 prints it"
        )
    return text
