"""The kinds ``http`` and ``https``: a process that answers a request with a success is ready."""

from __future__ import annotations

import re

from flagman.exceptions import one_line, reason_of
from flagman.supervise.verifiers.dialing import answers_now, resolved, unix
from flagman.supervise.verifiers.exchange import Exchange
from flagman.supervise.verifiers.kind import Attempt, Gifts, Kind
from flagman.supervise.verifiers.unix import socket_path
from flagman.text.shown import printable, shown
from flagman.version import __version__
from flagman.web.request import Request
from flagman.web.urls import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.verifiers.dialing import Place
    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around
    from flagman.supervise.verifiers.tls import Trust
    from flagman.web.answer import Answer as Response

_AGENT = f"flagman/{__version__}"
# A status, or the first digit of some.
_EXPECTED = re.compile("[1-5](?:[0-9][0-9]|xx)")
# A token, see RFC 9110, section 5.6.2.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REDIRECTION = 300, 400


class Http(Kind):
    """A process is ready when the answer to a GET request has one of the expected statuses.

    :param request: the request
    :param path: the Unix socket to which it is sent; empty for the host of its URL
    :param places: where that is
    :param expected: statuses, or their first digits and ``xx``
    :param trust: the certificates to trust; None for HTTP without TLS
    :param told: what the file says
    """

    name = "http"
    looks_before = True
    is_for_liveness = True

    def __init__(
        self,
        request: Request,
        path: str,
        places: tuple[Place, ...],
        expected: tuple[str, ...],
        trust: Trust | None,
        *told: object,
    ) -> None:
        super().__init__(*told)
        self._request = request
        self._path = path
        self._places = places
        self._expected = expected
        self._trust = trust

    @classmethod
    def read(cls, keys: Keys) -> Self:
        """Take the keys, look the host up, and load the certificates."""
        url = keys.text("url", example='"http://127.0.0.1:8000/health"')
        path = socket_path(keys, "unix", "")
        headers = keys.texts("headers")
        expected = _expected(keys)
        request = _request(keys, url, headers) if url else None
        if request is None:
            keys.check()
            raise ValueError("there is no URL")
        if cls.name == "https" and request.url.scheme != "https":
            keys.wrong("url", f"{url!r} is not of https")
        trust, options = _trust(keys) if request.url.scheme == "https" else (None, ())
        path = path or request.url.path
        places: tuple[Place, ...] = unix(path) if path else ()
        if not path:
            try:
                places = resolved(request.url.host, request.url.port)
            except ValueError as error:
                keys.wrong("url", error)
        keys.check()
        return cls(request, path, places, expected, trust, url, path, tuple(headers.items()), expected, options)

    def placed(self, absolute: Callable[[str], str]) -> Self:
        """Return the same with an absolute path of the socket, if it has one."""
        if not self._path or self._path.startswith("@"):
            return self
        path = absolute(self._path)
        url, _, *rest = self._told
        return type(self)(self._request, path, unix(path), self._expected, self._trust, url, path, *rest)

    def text(self) -> str:
        """Return the URL, and the socket if there is one."""
        url = self._request.url.absolute
        return shown(f"{url} at {self._path}" if self._path else url)

    def gifts(self, loop: ControlLoop) -> Gifts:  # noqa: ARG002 - it takes no time
        """Look whether something answers already, with whatever."""
        return Gifts(shown(self._path or self._request.url.authority) if answers_now(self._places) else "")

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        """Send the request."""
        url = self._request.url
        try:
            head = self._request.head(url, url.target, (), agent=_AGENT, has_body=False)
        except (OSError, ValueError) as error:  # a header is in a file
            answer(one_line(reason_of(error)))
            return Attempt()
        layer = None if self._trust is None else self._trust.layer(around.loop, url.name.rstrip("."))
        return Exchange(around.loop, self._places, head, self._judge, answer, layer)

    def _judge(self, response: Response) -> str:
        """Return what is wrong with an answer; empty if nothing is."""
        status = str(response.status)
        if status in self._expected or f"{status[0]}xx" in self._expected:
            return ""
        said = printable(" ".join(f"{status} {response.reason}".split()))
        first, last = _REDIRECTION
        if first <= response.status < last and response.location:
            return one_line(f"{said}, which leads to {printable(response.location)}; redirects are not followed")
        return one_line(said)


class Https(Http):
    """As above, for URLs of https alone."""

    name = "https"


def _request(keys: Keys, url: str, headers: dict[str, str]) -> Request | None:
    """Make the request; None if it cannot be one."""
    try:
        if Url(url).has_user:
            raise ValueError('a URL with a password in it would be logged; write headers = { Authorization = "..." }')  # noqa: TRY301
        Request("GET", url)
    except ValueError as error:
        keys.wrong("url", error)
        return None
    for name in headers:
        if not _NAME.fullmatch(name):
            keys.wrong("headers", f"{name!r} cannot be the name of a header")
            return None
    # As words of the action http: a value that begins with @ names a file that holds it.
    words = [f"header={name}:{value}" for name, value in headers.items()]
    for word in words:
        try:
            (header,) = Request("GET", url, word).headers
            header.read()
        except (OSError, ValueError) as error:
            keys.wrong("headers", one_line(reason_of(error)))
            return None
    return Request("GET", url, *words)


def _expected(keys: Keys) -> tuple[str, ...]:
    value = keys.any("expect", "2xx")
    found = tuple(map(str, value if isinstance(value, list | tuple) else (value,)))
    if not found or not all(map(_EXPECTED.fullmatch, found)):
        keys.wrong("expect", 'is neither a status, such as 200 or "2xx", nor an array of these')
    return found


def _trust(keys: Keys) -> tuple[Trust | None, tuple[object, ...]]:
    """Take the keys for TLS; return also what they say."""
    from flagman.supervise.verifiers.tls import Trust  # noqa: PLC0415 - only for https

    file = keys.path("ca", "")
    if file and not file.startswith("/"):
        keys.wrong("ca", f"{file!r} is not an absolute path")  # it is read now, and again by a daemon elsewhere
        return None, ()
    verify = keys.switch("verify", default=True)
    try:
        return Trust(file, verify=verify), (file, verify)
    except OSError as error:  # also all errors of ssl
        keys.wrong("ca", f"{file!r} cannot be used: {one_line(reason_of(error))}")
        return None, ()
