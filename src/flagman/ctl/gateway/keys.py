"""The key that opens the gateway once, and the cookie that a browser gets for it."""

from __future__ import annotations

from secrets import compare_digest, token_urlsafe

# Bytes of a key and of a cookie: nothing that could be guessed.
_SIZE = 32


class Keys:
    """Knows the key and the cookie of one gateway.

    Each is made here, of random bytes of its own: nothing that a client brings with it ever becomes one.

    :param port: the gateway's; cookies are not kept apart by ports, so it is a part of their name
    """

    def __init__(self, port: int) -> None:
        self._key = token_urlsafe(_SIZE)
        self._cookie = token_urlsafe(_SIZE)
        self._name = f"flagman-{port}"
        self._is_used = False

    @property
    def key(self) -> str:
        """The key, to be told to the user."""
        return self._key

    def exchange(self, key: str) -> str | None:
        """Return the cookie for a key, as the field Set-Cookie has it; None if it is not the key, or it was used.

        There is no Domain, so it stays with this host, and no end: a browser forgets it when it is closed.
        """
        is_right = _is_same(key, self._key)
        if not is_right or self._is_used:
            return None
        self._is_used = True
        return f"{self._name}={self._cookie}; Path=/; HttpOnly; SameSite=Strict"

    def admits(self, cookies: str) -> bool:
        """Return whether a field Cookie has the cookie.

        A server at another port of this host can set a cookie of the same name beside it: that one does not matter.

        :param cookies: the field; empty if there is none
        """
        return self._is_used and any(_is_same(value, self._cookie) for value in values(cookies, self._name))


def values(cookies: str, name: str) -> list[str]:
    """Return the values of all cookies of a name in a field Cookie, see :rfc:`6265#section-5.4`."""
    pairs = [pair.strip(" \t").partition("=") for pair in cookies.split(";")]
    return [value for found, equals, value in pairs if equals and found == name]


def _is_same(given: str, right: str) -> bool:
    # Of its bytes: of texts only those in ASCII can be compared so.
    return compare_digest(given.encode(errors="surrogatepass"), right.encode())
