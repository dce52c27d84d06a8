"""The action that makes an HTTP request."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from http.client import HTTPException
from string import punctuation
from urllib.parse import quote, urljoin

from flagman.actions.action import Action
from flagman.actions.answer import Answer
from flagman.actions.channels import Stream, Tls, connect, connect_to_path
from flagman.actions.proxies import proxy_for
from flagman.actions.request import Request
from flagman.actions.urls import Url
from flagman.engine.interrupt import Interrupter
from flagman.exceptions import ActionFailed
from flagman.shown import printable, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLContext

    from flagman.actions.channels import Channel
    from flagman.actions.proxies import Proxy

logger = logging.getLogger(__name__)

_NOT_MODIFIED = 304
_REDIRECTS = (301, 302, 303, 307, 308)
_OK, _REDIRECTION, _ERROR = 200, 300, 400
# How many redirects are followed.
_MOST_REDIRECTS = 5
# Bytes of a response that a failure shows, and seconds that they have to come.
_SHOWN = 200
_PATIENCE = 1.0
# Seconds by which our own waits end later than a timeout, which says more.
_SLACK = 0.5


class HttpAction(Action):
    """Makes an HTTP request; a status of 400 or more is a failure, and so is no answer within 30 seconds.

    The URL unix:/path.sock:/request/path means a local daemon at its socket.
    """

    # Seconds, for the whole request; --timeout takes precedence.
    default_timeout = 30.0

    def set_up(self, method: str, url: str, *body_or_header: str) -> None:
        """Keep the request.

        :param method: such as GET or POST
        :param url: of http or https, or unix:/path.sock:/request/path
        :param body_or_header: at most one body, and any number of header=Name: value or header=Name:@FILE
        """
        self.check_arguments(method, url, *body_or_header)
        self._request = Request(method, url, *body_or_header)
        for header in self._request.headers:
            header.read()  # a file that is missing is a mistake now
        self._shown = shown(method, url)
        # Without an engine nothing is interrupted.
        self._interrupter = self.engine.interrupter if hasattr(self, "engine") else Interrupter()

    @classmethod
    def check_arguments(cls, method: str, url: str, *body_or_header: str) -> None:
        """Refuse what is no request, and a proxy that is none."""
        request = Request(method, url, *body_or_header)
        if not request.url.path:
            proxy_for(request.url)

    def run(self) -> None:
        """Make the request.

        :raises ActionFailed: if there is no answer, or a status of 400 or more
        """
        try:
            self._follow(time.monotonic() + self._patience() + _SLACK)
        except (OSError, HTTPException, ValueError) as error:
            raise ActionFailed(f"{self._shown}: {_clean(str(error)) or type(error).__name__}") from error

    def _patience(self) -> float:
        """Give the seconds that the whole run may take."""
        return (self.engine.turn.timeout if hasattr(self, "engine") else None) or self.default_timeout

    def _follow(self, limit: float) -> None:
        """Ask, and ask again where the answer says so."""
        url: Url | None = self._request.url
        redirects = 0
        while url is not None:
            with ExitStack() as stack:
                answer = self._ask(url, limit, stack)
                url = self._judge(answer, url, redirects, limit)
            redirects += 1

    def _judge(self, answer: Answer, url: Url, redirects: int, limit: float) -> Url | None:
        """Deal with an answer.

        :returns: where to ask instead
        :raises ActionFailed: if it is a failure
        """
        said = f"{answer.status} {_clean(answer.reason)}".strip()
        if answer.status in _REDIRECTS and answer.location:
            return self._redirect(answer, said, url, redirects)
        if answer.status >= _REDIRECTION and answer.status != _NOT_MODIFIED:
            words = answer.quote(_SHOWN, min(limit, time.monotonic() + _PATIENCE)).decode(errors="backslashreplace")
            raise ActionFailed(f"{self._shown}: {said}{f': {_clean(words)}' if words.strip() else ''}")
        answer.read_to_the_end()
        logger.info("%s: %s", self._shown, said)
        return None

    def _redirect(self, answer: Answer, said: str, url: Url, redirects: int) -> Url:
        """Give where a redirect leads, if it may be followed."""
        # Servers write what has to be written as %XX, too.
        leads = urljoin(url.absolute, quote(answer.location, safe=punctuation, encoding="latin-1"))
        scheme = leads.partition(":")[0].lower()
        reason = ""
        if self._request.method not in ("GET", "HEAD"):
            reason = f"since the method is {self._request.method}"
        elif scheme not in ("http", "https") or (url.scheme, scheme) == ("https", "http"):
            reason = f"it leads from {url.scheme} to {_clean(leads)}"
        elif redirects == _MOST_REDIRECTS:
            reason = f"it is one more than {_MOST_REDIRECTS} in a row"
        if reason:
            raise ActionFailed(f"{self._shown}: {said}: not followed, {reason}")
        try:
            new = Url(leads)
        except ValueError as error:
            raise ActionFailed(f"{self._shown}: {said}: not followed: {_clean(str(error))}") from error
        if url.path and new.authority != url.authority:
            raise ActionFailed(f"{self._shown}: {said}: not followed, it leads from the socket to {_clean(leads)}")
        new.path = url.path
        return new

    def _ask(self, url: Url, limit: float, stack: ExitStack) -> Answer:
        """Send the request, and read the head of the answer.

        :param stack: closes the connection
        """
        proxy = None if url.path else proxy_for(url)
        context = _context() if url.scheme == "https" or (proxy and proxy.is_secret) else None
        target, extra = url.target, []
        if proxy and url.scheme == "http":
            target, extra = url.absolute, proxy.headers
        head = self._request.head(url, target, extra)
        stream = self._connect(url, proxy, limit)
        stack.callback(stream.close)
        stack.callback(setattr, self._interrupter, "is_done", None)
        channel: Channel = stream
        self._interrupter.is_done = channel.has_news
        if proxy and context and proxy.is_secret:
            channel = Tls(channel, context, proxy.host, limit)
        if proxy and url.scheme == "https":
            _open_tunnel(channel, url, proxy, limit)
        if context and url.scheme == "https":
            channel = Tls(channel, context, url.host, limit)
        channel.send(head + (self._request.body or b""), lambda: True)
        answer = Answer(channel, self._request.method, limit)
        stack.callback(answer.close)
        return answer

    def _connect(self, url: Url, proxy: Proxy | None, limit: float) -> Stream:
        if url.path:
            return connect_to_path(url.path, self._interrupter, limit)
        host, port = (proxy.host, proxy.port) if proxy else (url.host, url.port)
        return connect(host, port, self._interrupter, limit)


def _context() -> SSLContext:
    """Give what is trusted by default: anew for every run, since within a year certificates change."""
    import ssl  # noqa: PLC0415 - for those who need it

    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _open_tunnel(channel: Channel, url: Url, proxy: Proxy, limit: float) -> None:
    """Let a proxy pass on all that follows, see :rfc:`9110`, section 9.3.6.

    :raises OSError: if it does not want to
    """
    host = f"[{url.host}]" if ":" in url.host else url.host
    lines = [f"CONNECT {host}:{url.port} HTTP/1.1", f"Host: {host}:{url.port}"]
    lines += [f"{name}: {value}" for name, value in proxy.headers]
    channel.send("\r\n".join([*lines, "", ""]).encode("latin-1"), lambda: True)
    answer = Answer(channel, "CONNECT", limit)
    answer.close()
    if not _OK <= answer.status < _REDIRECTION:
        raise OSError(f"the proxy refuses to connect: {answer.status} {answer.reason}")


def _clean(text: str) -> str:
    """Give what a server says in one line."""
    return printable(" ".join(text.split()).encode(errors="backslashreplace"))
