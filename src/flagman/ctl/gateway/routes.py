"""What the gateway answers: the login, and all that it passes on to the daemon."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from functools import partial

from flagman.control.answer import refusal
from flagman.ctl.gateway import pages
from flagman.ctl.gateway.door import is_form, unauthorized
from flagman.ctl.gateway.exchange import SECONDS, Exchange
from flagman.ctl.targets import quoted_bytes
from flagman.exceptions import FlagmanError
from flagman.service.request import Content, Stream
from flagman.service.request_error import check
from flagman.service.waits import span_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.ctl.gateway.daemon import Daemon
    from flagman.ctl.gateway.keys import Keys
    from flagman.service.control_loop import ControlLoop
    from flagman.service.request import Request

# What is asked of processes, with the codes of what has been reached.
_WISHES = {
    "/processes/NAME/start": "started",
    "/processes/NAME/stop": "stopped",
    "/processes/NAME/restart": "restarted",
}
# What is passed on. Not DELETE /: what a page can do by mistake should not end a daemon that nothing may start again.
_SHOWN = (
    "/status",
    "/ready",
    "/history",
    "/events",
    "/metrics",
    "/processes",
    "/processes/NAME",
    "/processes/NAME/output",
)
_DONE = (
    "/flags/NAME",
    "/reload",
    *_WISHES,
    "/processes/NAME/signal",
)
# What a page without JavaScript says about the outcome of a form: the address that it is sent to has only the code.
_SAID = {
    "raised": "The flag is raised.",
    "reloaded": "The configuration has been loaded again.",
    "noted": "It is noted.",
    "closed": "All of its actions have closed.",
    "no-answer": "The daemon does not answer.",
    "no-configuration": "There is no configuration file.",
    "no-such-flag": "There is no such flag any more.",
    "no-such-process": "There is no such process any more.",
    "not-in-time": "It goes on, but takes longer.",
    "only-at-stop": "Its actions run only when the daemon stops.",
    "failed": "The process could not be started.",
    "started": "The process has been started.",
    "stopped": "The process has been stopped.",
    "restarted": "The process has been restarted.",
    "superseded": "Something else has been asked of the process since.",
    "refused": "The daemon has refused it.",
    "reload-failed": "The configuration has mistakes, and the old one stays.",
    "stopping": "The daemon stops.",
}
# Where the page of the daemon says such things.
_PLACE = b'<p id="said" role="status">'
# How long the outcome of a form is waited for.
_FOR_FORMS = {"/reload": {"wait": "5s"}, **{path: {"wait": "5s"} for path in _WISHES}}
# The fields of a request that are passed on.
_PASSED = {"accept": "Accept", "last-event-id": "Last-Event-ID"}
_ERROR = 400
# Seconds until a page that has got no answer tries again, and until a client is told that its key is wrong.
_AGAIN = 3
DELAY = 1.0


class Routes:
    """Answers the requests that the door has let in; in the control loop."""

    def __init__(self, loop: ControlLoop, daemon: Daemon, keys: Keys) -> None:
        self._loop = loop
        self._daemon = daemon
        self._keys = keys

    def table(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Return the routes, by method and path."""
        return {
            ("GET", "/"): self._show_front,
            ("POST", "/login"): self._login,
            **{("GET", path): partial(self._pass, "GET", path) for path in _SHOWN},
            **{("POST", path): partial(self._do, path) for path in _DONE},
        }

    def _login(self, request: Request) -> None:
        if request.query:
            check(request)
        key = request.body.get("key") if isinstance(request.body, dict) and len(request.body) == 1 else None
        cookie = self._keys.exchange(key) if isinstance(key, str) else None
        if cookie is None:
            error = unauthorized()
            content = pages.login(was_wrong=True) if is_form(request) else error.body
            request.on_gone = self._loop.call_later(DELAY, request.reply, error.status, content).cancel
        elif is_form(request):
            request.reply(303, _redirection("/", {"Set-Cookie": cookie}))
        else:
            request.reply(200, Content("application/json", b"{}\n", {"Set-Cookie": cookie}))

    def _show_front(self, request: Request) -> None:
        if self._keys.admits(request.fields.get("cookie", "")):
            said = _SAID.get(request.query.get("said", ""), "")
            query = {name: value for name, value in request.query.items() if name != "said"}
            self._ask(request, "GET", "/", query, partial(_show, request, said), partial(_show_failure, request))
        elif _is_shown(request):
            request.reply(200, pages.login())
        else:  # a page that was shown before asks for news
            raise unauthorized()

    def _do(self, path: str, request: Request) -> None:
        if not is_form(request):
            self._pass("POST", path, request)
            return
        query = {**_FOR_FORMS.get(path, {}), **request.query}
        on_answer, on_failure = partial(_tell, request, path), lambda _: _say(request, "no-answer")
        self._ask(request, "POST", path, query, on_answer, on_failure)

    def _pass(self, method: str, path: str, request: Request) -> None:
        self._ask(request, method, path, request.query, request.reply, partial(_fail, request))

    def _ask(  # noqa: PLR0913, PLR0917 - the parts of a question, and what becomes of it
        self,
        request: Request,
        method: str,
        path: str,
        query: Mapping[str, str],
        on_answer: Callable[[int, Content | Stream], object],
        on_failure: Callable[[str], object],
    ) -> None:
        waits, seconds = span_of(query)
        seconds = SECONDS + (0 if not waits else math.inf if seconds is None else seconds)
        question = _question(request, method, path, query)
        try:
            sock = self._daemon.connect()
        except FlagmanError as error:
            on_failure(str(error))
            return
        request.on_gone = Exchange(self._loop, sock, question, on_answer, on_failure, seconds).close


def _question(request: Request, method: str, path: str, query: Mapping[str, str]) -> bytes:
    """Return a request as the daemon gets it: made anew of what was understood, so that nothing else comes along."""
    target = "/".join(_quoted(request.path.get(segment, segment)) for segment in path.split("/"))
    if query:
        target += "?" + "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in query.items())
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{name}: {request.fields[field]}" for field, name in _PASSED.items() if field in request.fields]
    body = b""
    if request.body is not None:
        body = json.dumps(request.body, separators=(",", ":")).encode()
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + body


def _is_shown(request: Request) -> bool:
    """Return whether the answer will be seen as it is, and is not for the script of a page."""
    return request.fields.get("sec-fetch-dest", "document") == "document"


def _quoted(text: str) -> str:
    """Return a part of a target as a client has sent it: in UTF-8, whatever the encoding of files is here."""
    return quoted_bytes(text.encode(errors="surrogateescape"))


def _show(request: Request, said: str, status: int, content: Content | Stream) -> None:
    if said and isinstance(content, Content) and content.kind.startswith("text/html"):
        data = content.data.replace(_PLACE, _PLACE + said.encode(), 1)
        content = Content(content.kind, data, content.headers)
    request.reply(status, content)


def _show_failure(request: Request, why: str) -> None:
    if _is_shown(request) and "text/html" in request.fields.get("accept", "").lower():
        request.reply(502, pages.no_answer(why, _AGAIN))
    else:
        _fail(request, why)


def _fail(request: Request, why: str) -> None:
    error = refusal(502, f"the daemon does not answer: {why}")
    request.reply(error.status, error.body)


def _tell(request: Request, path: str, status: int, content: Content | Stream) -> None:
    """Send a browser back to the page, which says what came of its form."""
    if isinstance(content, Stream):
        content.close()
    is_error = status >= _ERROR
    code: object = None
    with suppress(ValueError, LookupError, TypeError, RecursionError):
        answer = json.loads(content.data) if isinstance(content, Content) else {}
        code = answer["error"]["code"] if is_error else _outcome(path, answer)
    _say(request, code if isinstance(code, str) and code in _SAID else "refused" if is_error else "noted")


def _outcome(path: str, answer: Mapping[str, Mapping[str, str]]) -> str:
    """Return the code of what has come of a form."""
    if path not in _WISHES:
        return {"/flags/NAME": "raised", "/reload": "reloaded"}.get(path, "noted")
    outcome = str(answer["wish"]["outcome"]).partition(" ")[0]
    return _WISHES[path] if outcome == "reached" else outcome


def _say(request: Request, code: str) -> None:
    request.reply(303, _redirection(f"/?said={code}"))


def _redirection(target: str, headers: Mapping[str, str] | None = None) -> Content:
    return Content("text/plain; charset=utf-8", b"", {"Location": target, **(headers or {})})
