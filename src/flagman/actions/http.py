"""The action that makes an HTTP request."""

from __future__ import annotations

import http.client
import logging
import re
import socket
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import (
    BaseHandler,
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

import flagman
from flagman.actions.action import Action
from flagman.exceptions import ActionFailed
from flagman.shown import printable, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http.client import HTTPMessage
    from typing import IO
    from urllib.response import addinfourl

logger = logging.getLogger(__name__)

# A token, see RFC 9110, section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER = "header="
_LAST_LATIN_1 = "\xff"
_UNIX = "unix:"
# The host of requests to a socket, as curl calls it.
_LOCAL = "localhost"
# Bytes of a response that a failure shows.
_SHOWN = 200
# Bytes that are read at once.
_CHUNK = 65_536
# The header that another host may see, too.
_AGENT = "User-agent"


class HttpAction(Action):
    """Makes an HTTP request; a status of 400 or more is a failure, and so is no answer within 30 seconds.

    The URL unix:/path.sock:/request/path means a local daemon at its socket. A redirect to another protocol is not
    followed.
    """

    # Seconds, for the whole request; --timeout takes precedence.
    default_timeout = 30.0

    def set_up(self, method: str, url: str, *body_or_header: str) -> None:
        """Keep the request.

        :param method: such as GET or POST
        :param url: of http or https, or unix:/path.sock:/request/path
        :param body_or_header: at most one body, and any number of header=Name: value
        """
        self._method, self._url, self._body, self._headers = _parse(method, url, *body_or_header)
        self._socket = _split_unix(url)[0] if url.startswith(_UNIX) else ""
        self._shown = shown(method, url)

    @classmethod
    def check_arguments(cls, method: str, url: str, *body_or_header: str) -> None:
        """Refuse what is no request."""
        _parse(method, url, *body_or_header)

    def run(self) -> None:
        """Make the request.

        :raises ActionFailed: if there is no answer, or a status of 400 or more
        """
        request = Request(self._url, self._body, self._headers, method=self._method)  # noqa: S310 - checked
        try:
            with self._opener().open(request, timeout=self._patience()) as response:
                while response.read(_CHUNK):
                    pass  # some servers work as long as somebody reads
                if response.length:
                    raise ActionFailed(f"{self._shown}: the answer ends {response.length} bytes too early")
                logger.info("%s: %d %s", self._shown, response.status, _clean(response.reason))
        except HTTPError as error:
            quote = _quote(error)
            error.close()
            if error.code != http.client.NOT_MODIFIED:
                raise ActionFailed(f"{self._shown}: {error.code} {_clean(error.msg)}{quote}") from error
        except URLError as error:
            raise ActionFailed(f"{self._shown}: {_clean(str(error.reason))}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ActionFailed(f"{self._shown}: {_clean(str(error)) or type(error).__name__}") from error

    def _patience(self) -> float | None:
        """Give the time that the server may be silent; no longer than the whole run may take."""
        return (self.engine.turn.timeout if hasattr(self, "engine") else None) or self.default_timeout

    def _opener(self) -> OpenerDirector:
        """Give what speaks these protocols and no others: urllib's own default reads files, too.

        A new one for every run: within a year, the certificates of this host and its proxy change.
        """
        opener = OpenerDirector()
        handlers: list[BaseHandler] = [HTTPDefaultErrorHandler(), HTTPErrorProcessor(), _Redirects(self._socket)]
        if self._socket:
            handlers.append(_UnixHandler(self._socket))
        else:
            handlers += ProxyHandler(), HTTPHandler()
            if self._url.startswith("https:"):
                handlers.append(HTTPSHandler())
        for handler in handlers:
            opener.add_handler(handler)
        return opener


class _Redirects(HTTPRedirectHandler):
    """Follows redirects that do not change the protocol.

    :param confined: the socket that they must not lead away from; empty if there is none
    """

    max_redirections = 5

    def __init__(self, confined: str) -> None:
        super().__init__()
        self._confined = confined

    def redirect_request(  # noqa: PLR0913, PLR0917 - urllib's signature
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        old, new = urlsplit(req.full_url), urlsplit(urljoin(req.full_url, newurl))
        if new.scheme != old.scheme:
            raise HTTPError(
                req.full_url, code, f"{msg}: not followed, it leads from {old.scheme} to {newurl}", headers, fp
            )
        if self._confined and new.netloc != old.netloc:
            raise HTTPError(
                req.full_url, code, f"{msg}: not followed, it leads from the socket to {newurl}", headers, fp
            )
        if req.get_method() not in ("GET", "HEAD"):
            raise HTTPError(newurl, code, f"{msg}: not followed, since the method is {req.get_method()}", headers, fp)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and new.netloc != old.netloc:
            for name in [name for name in request.headers if name != _AGENT]:
                request.remove_header(name)
        fp.close()  # or all of its body would be read
        return request


class _UnixHandler(HTTPHandler):
    """Connects to a Unix socket, whatever the host."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def http_open(self, req: Request) -> http.client.HTTPResponse:
        path = self._path

        class Connection(http.client.HTTPConnection):
            def connect(self) -> None:
                self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.sock.settimeout(self.timeout)
                self.sock.connect(path)

        return self.do_open(Connection, req)


def _parse(method: str, url: str, *words: str) -> tuple[str, str, bytes | None, dict[str, str]]:
    """Read the arguments.

    :raises ValueError: if they are no request
    """
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"{method!r} is not a method such as GET or POST")
    headers = {_AGENT: f"flagman/{flagman.__version__}"}
    body: bytes | None = None
    for word in words:
        if word.startswith(_HEADER):
            name, value = _parse_header(word)
            headers[name] = value
        elif body is None:
            body = word.encode(errors="surrogateescape")
        else:
            raise ValueError(f"there is a body already; {word!r} is a second one (headers begin with {_HEADER})")
    return method, _parse_url(url), body, headers


def _parse_header(word: str) -> tuple[str, str]:
    name, colon, value = word.removeprefix(_HEADER).partition(":")
    if not colon or not _TOKEN.fullmatch(name):
        raise ValueError(f"{word!r} is not of the form {_HEADER}Name: value")
    if not value.isprintable() or max(value, default="") > _LAST_LATIN_1:
        raise ValueError(f"{word!r} contains a character that no header can have")
    return name.capitalize(), value.strip()


def _parse_url(url: str) -> str:
    if url.startswith(_UNIX):
        path = _split_unix(url)[1]
        url = f"http://{_LOCAL}{path}"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{url!r} contains a character that has to be written as %XX")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is neither http nor https nor {_UNIX}/path.sock:/request/path")
    if not parts.hostname or parts.port == 0:  # the latter raises ValueError, too, if it is no port
        raise ValueError(f"{url!r} has no host")
    if parts.username is not None:
        raise ValueError("a URL with a password in it would be logged; write header=Authorization: ...")
    return url


def _split_unix(url: str) -> tuple[str, str]:
    """Split ``unix:/path.sock:/request/path`` into its paths."""
    path, colon, request = url.removeprefix(_UNIX).partition(":/")
    if not path.startswith("/") or not colon:
        raise ValueError(f"{url!r} is not of the form {_UNIX}/path.sock:/request/path")
    return path, f"/{request}"


def _quote(response: HTTPError | addinfourl) -> str:
    """Give the beginning of the answer's body for a log record."""
    try:
        text = _clean(response.read(_SHOWN).decode(errors="backslashreplace"))
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    return f": {text}" if text else ""


def _clean(text: str) -> str:
    """Give what a server says in one line."""
    return printable(" ".join(text.split()).encode(errors="backslashreplace"))
