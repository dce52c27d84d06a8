"""The action that makes an HTTP request."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from http.client import HTTPException
from string import punctuation
from urllib.parse import quote, urljoin

from flagman.engine.action import Action
from flagman.exceptions import ActionFailed, reason_of
from flagman.text.shown import printable, shown
from flagman.web.answer import Answer, Early
from flagman.web.channels import Tls
from flagman.web.connecting import STAGGER, connect, connect_to_path
from flagman.web.proxies import proxy_for
from flagman.web.request import Request, as_head
from flagman.web.urls import PORTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from ssl import SSLContext

    from flagman.web.channels import Channel, Stream
    from flagman.web.proxies import Proxy
    from flagman.web.urls import Url

_NOT_MODIFIED = 304
_REDIRECTS = (301, 302, 303, 307, 308)
_OK, _REDIRECTION = 200, 300
# The most redirects that are followed.
_MOST_REDIRECTS = 5
# Bytes of a response that a failure shows, and seconds within which they have to come.
_SHOWN = 200
_PATIENCE = 1.0
# The user and the password in a URL.
_USER = re.compile("//[^/@]*@")


class HttpAction(Action):
    """Makes an HTTP request; a status of 400 or more, or no answer within 30 seconds, is a failure.

    The URL unix:/path.sock:/request/path reaches a local daemon through its socket.
    """

    example = "http POST https://example.org/alive"

    # Seconds, for the whole request; --timeout takes precedence.
    default_timeout = 30.0
    # Seconds by which the action's own waits end later than the run's timeout, which has the better message.
    slack = 2.0
    # Seconds after which the next address of a host is tried as well.
    stagger = STAGGER
    secret_arguments = ("body_or_header",)
    takes_dashes = False  # an option of flagman that comes too late would be sent as the body

    def set_up(self, method: str, url: str, *body_or_header: str) -> None:
        """Keep the request.

        :param method: such as GET or POST
        :param url: of http or https, or unix:/path.sock:/request/path
        :param body_or_header: at most one body, and any number of header=Name: value or header=Name:@FILE
        """
        self.check_arguments(method, url, *body_or_header)
        self._request = Request(method, url, *body_or_header)
        for header in self._request.headers:
            header.read()  # a missing file is an error at set-up
        self._shown = shown(self._request.method, url)
        self._interrupter = self.engine.interrupter

    @classmethod
    def check_arguments(cls, method: str, url: str, *body_or_header: str) -> None:
        """Refuse what cannot be a request, and a proxy that cannot be used."""
        request = Request(method, url, *body_or_header)
        if not request.url.path:
            proxy_for(request.url)

    def run(self) -> None:
        """Make the request.

        :raises ActionFailed: if there is no answer, or a status of 400 or more
        """
        try:
            self._follow(time.monotonic() + self._patience() + self.slack)
        except (OSError, HTTPException, ValueError) as error:
            raise ActionFailed(f"{self._subject}{_clean(reason_of(error))}") from error

    @property
    def _subject(self) -> str:
        """The request, for messages, and a colon; empty if what was typed says it."""
        return "" if type(self) is HttpAction else f"{self._shown}: "

    def _patience(self) -> float:
        """Return the seconds that the whole run may take."""
        return self.engine.turn.timeout or self.default_timeout

    def _follow(self, limit: float) -> None:
        """Make the request, and follow redirects."""
        url: Url | None = self._request.url
        redirects = 0
        while url is not None:
            with ExitStack() as stack:
                answer, is_sent = self._ask(url, limit, stack, has_body=not redirects)
                url = self._judge(answer, url, redirects, limit, is_sent=is_sent)
            redirects += 1

    def _judge(self, answer: Answer, url: Url, redirects: int, limit: float, *, is_sent: bool) -> Url | None:
        """Evaluate an answer.

        :returns: the URL to which it redirects; None if it is final
        :raises ActionFailed: if it is a failure
        """
        said = f"{answer.status} {_clean(answer.reason)}".strip()
        if answer.status in _REDIRECTS and answer.location:
            try:
                return self._redirect(answer.location, url, redirects)
            except ValueError as error:
                said += f": not followed, {_clean(str(error))}"
        if not _OK <= answer.status < _REDIRECTION and answer.status != _NOT_MODIFIED:
            words = answer.quote(_SHOWN, min(limit, time.monotonic() + _PATIENCE)).decode(errors="backslashreplace")
            raise ActionFailed(f"{self._subject}{said}{f': {_clean(words)}' if words.strip() else ''}")
        answer.read_to_the_end()
        if not is_sent:
            raise ActionFailed(f"{self._subject}{said}, but the server has not read the whole body")
        self.engine.turn.remark = said
        return None

    def _redirect(self, location: str, url: Url, redirects: int) -> Url:
        """Return the URL to which a redirect leads.

        :raises ValueError: if it may not be followed
        """
        # Servers also send characters that have to be written as %XX.
        location = quote(location, safe=punctuation, encoding="latin-1")
        leads = urljoin(url.absolute, location)
        there = _USER.sub("//", shown(leads))
        scheme = leads.partition(":")[0].lower()
        if self._request.method not in ("GET", "HEAD"):
            raise ValueError(f"because the method is {self._request.method}")
        if scheme not in PORTS or (url.scheme, scheme) == ("https", "http"):
            raise ValueError(f"because it leads from {url.scheme} to {there}")
        if redirects == _MOST_REDIRECTS:
            raise ValueError(f"because {_MOST_REDIRECTS} in a row were followed already")
        new = url.joined(location)
        if url.path and (new.scheme, new.authority) != (url.scheme, url.authority):
            raise ValueError(f"because it leads from the socket to {there}")
        return new

    def _ask(self, url: Url, limit: float, stack: ExitStack, *, has_body: bool) -> tuple[Answer, bool]:
        """Send the request, and read the head of the answer.

        :param stack: closes the connection
        :returns: the answer, and whether all of the request has been sent
        """
        proxy = None if url.path else proxy_for(url)
        context = _context() if url.scheme == "https" or (proxy and proxy.is_secret) else None
        for_proxy = (self._request.for_proxy() or proxy.headers) if proxy else []
        is_passed_on = proxy is not None and url.scheme == "http"
        target, extra = (url.absolute, for_proxy) if is_passed_on else (url.target, [])
        data = self._request.head(url, target, extra, agent=self.engine.agent, has_body=has_body)
        if has_body and self._request.body:
            data += self._request.body
        stream = self._connect(url, proxy, limit)
        stack.callback(stream.close)
        stack.callback(self._interrupter.shield.expect, None)
        channel: Channel = stream
        self._interrupter.shield.expect(stream.has_news)
        if proxy and context and proxy.is_secret:
            channel = Tls(channel, context, proxy.host.rstrip("."), limit)
        if proxy and url.scheme == "https":
            _open_tunnel(channel, url, for_proxy, limit)
        if context and url.scheme == "https":
            channel = Tls(channel, context, url.name.rstrip("."), limit)
        early = Early()
        is_sent = channel.send(data, early.take)
        answer = Answer(channel, early.said, self._request.method, limit)
        self._interrupter.shield.expect(None)  # what comes now may be only a part of the answer
        stack.callback(answer.close)
        return answer, is_sent

    def _connect(self, url: Url, proxy: Proxy | None, limit: float) -> Stream:
        if url.path:
            return connect_to_path(url.path, self._interrupter, limit)
        host, port = (proxy.host, proxy.port) if proxy else (url.host, url.port)
        return connect(host, port, self._interrupter, limit, self.stagger)


def _context() -> SSLContext:
    """Return a context that trusts the default certificates; read for every run, because they change within a year."""
    import ssl  # noqa: PLC0415 - only for https

    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _open_tunnel(channel: Channel, url: Url, headers: Iterable[tuple[str, str]], limit: float) -> None:
    """Make a proxy pass on all that follows, see :rfc:`9110`, section 9.3.6.

    :param headers: for the proxy
    :raises OSError: if it refuses
    """
    place = f"{url.bracketed}:{url.port}"
    early = Early()
    channel.send(as_head(f"CONNECT {place} HTTP/1.1", [("Host", place), *headers]), early.take)
    answer = Answer(channel, early.said, "CONNECT", limit)
    try:
        if not _OK <= answer.status < _REDIRECTION:
            words = answer.quote(_SHOWN, min(limit, time.monotonic() + _PATIENCE)).decode(errors="backslashreplace")
            raise OSError(f"the proxy refuses to connect: {answer.status} {answer.reason} {words}")
    finally:
        answer.close()


def _clean(text: str) -> str:
    """Return what a server says as one printable line."""
    return printable(" ".join(text.split()).encode(errors="backslashreplace"))
