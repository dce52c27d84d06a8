"""What is answered to requests about processes: what they are, wishes, signals, their output."""

from __future__ import annotations

import signal
from functools import partial

from flagman.service.request_error import RequestError, check
from flagman.service.waits import Wait, Waits, span_of
from flagman.supervise.processes import planned
from flagman.supervise.processes.restarts import Restarts
from flagman.supervise.processes.told import shown, state, told
from flagman.supervise.processes.wish import VERBS
from flagman.text.hints import nearest
from flagman.text.signames import name_of, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.service.control_loop import ControlLoop
    from flagman.service.request import Request
    from flagman.supervise.launch.capture import Capture
    from flagman.supervise.processes.process import Process
    from flagman.supervise.processes.together import Together
    from flagman.supervise.processes.wish import Verb, Wish

# The lines that the outcome of a wish has, and those that an output has if nothing else is said.
_LINES = 20
_DIGITS = 18
# Bytes of a line that has no end yet, and is answered all the same.
_LONGEST_LINE = 32_768


class Routes:
    """Answers requests about processes; in the control loop.

    :param together: the processes
    """

    def __init__(self, together: Together, loop: ControlLoop, clock: Callable[[], float]) -> None:
        self._together = together
        self._loop = loop
        self._clock = clock
        self._for_wishes = Waits(loop, clock)
        self._for_output = Waits(loop, clock)
        self._restarts = Restarts(together, loop, clock)
        self._has_ended = False

    def table(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Return the routes, by method and path."""
        return {
            ("GET", "/processes"): self._show_all,
            ("GET", "/processes/NAME"): self._show,
            ("GET", "/plan"): self._show_plan,
            **{("POST", f"/processes/NAME/{verb}"): partial(self._ask, verb) for verb in VERBS.values()},
            ("POST", "/processes/NAME/signal"): self._signal,
            ("GET", "/processes/NAME/output"): self._output,
            ("POST", "/restart/ID"): self._restarts.ask,
        }

    def present_lines(self) -> dict[str, list[str]]:
        """Return the last lines of each instance that lives and is not well."""
        ill = (each for each in self._together.by_name.values() if each.trouble)
        return {each.plan.name: self._together.outfit(each.plan.name).present() for each in ill}

    def _find(self, request: Request) -> Process:
        name = request.path["NAME"]
        process = self._together.by_name.get(name)
        if process is None:
            close = nearest(name, self._together.by_name)
            raise RequestError(404, "no-such-process", f"there is no process {name!r}", did_you_mean=close)
        return process

    def _show_all(self, request: Request) -> None:
        check(request)
        request.reply(200, {"processes": [shown(each, self._together) for each in self._together.by_name.values()]})

    def _show(self, request: Request) -> None:
        check(request)
        request.reply(200, shown(self._find(request), self._together))

    def _show_plan(self, request: Request) -> None:
        check(request)
        request.reply(200, planned.shown([*self._together.by_name.values()], self._together.first))

    def _ask(self, verb: Verb, request: Request) -> None:
        check(request, "wait")
        waits, seconds = span_of(request.query)
        process = self._find(request)
        if self._together.is_stopping and verb != "stop":
            raise RequestError(503, "stopping", "the daemon stops")
        if process.is_removed and verb != "stop":
            raise RequestError(
                404, "no-such-process", f"{process.plan.name!r} is being stopped, because it was removed"
            )
        wish = process.ask(verb, request.uid)
        if not waits:
            request.reply(202, {"process": process.plan.name, "wish": wish.shown()})
            return
        if self._has_ended:
            raise RequestError(503, "stopping", "the daemon stops")
        wait = Wait(request, "")
        self._for_wishes.add(wait, seconds, lambda: self._too_late(process, wish))
        wait.on_end = wish.when_decided(lambda: self._loop.call(self._decided, wait, process, wish))

    def _decided(self, wait: Wait, process: Process, wish: Wish) -> None:
        outcome = {
            "process": process.plan.name,
            "wish": wish.shown(),
            "state": process.state,
            "text": state(process, self._together),
            "output": list(process.last.output[-_LINES:]) if process.last is not None else [],
        }
        self._for_wishes.answer(wait, 200, outcome)

    def _too_late(self, process: Process, wish: Wish) -> tuple[int, object]:
        message = f"{wish.verb} has not been reached in time: {told(process, self._together)}"
        error = RequestError(504, "not-in-time", message)
        return error.status, error.body

    def _signal(self, request: Request) -> None:
        if request.query:
            check(request)
        process = self._find(request)
        name = request.body.get("signal") if isinstance(request.body, dict) and len(request.body) == 1 else None
        if not isinstance(name, str) or name.strip().isdecimal():
            raise RequestError(400, "bad-request", 'the body is not {"signal": NAME}, such as {"signal": "HUP"}')
        try:
            signum = number_of(name)
        except ValueError as error:
            raise RequestError(400, "bad-request", str(error)) from None
        if signum in (0, signal.SIGKILL, signal.SIGSTOP):
            raise RequestError(400, "bad-request", f"{name_of(signum) if signum else name!r} cannot be caught")
        if process.life is None:
            raise RequestError(409, "not-running", f"{told(process, self._together)}: there is no process to signal")
        process.send(signum)
        request.reply(200, {"process": process.plan.name, "pid": process.pid, "signal": name_of(signum)})

    def _output(self, request: Request) -> None:
        check(request, "n", "since", "wait")
        process = self._find(request)
        capture = self._together.outfit(process.plan.name).capture
        if capture is None:
            message = f'the output of {process.plan.name!r} is not kept: write output = "log", or the path of a file'
            raise RequestError(409, "no-output", message)
        since, lines = _number(request, "since"), _number(request, "n")
        if since is None:
            request.reply(200, {"process": process.plan.name, **_last(capture, _LINES if lines is None else lines)})
        else:
            self._follow(request, process.plan.name, capture, since)

    def _follow(self, request: Request, name: str, capture: Capture, since: int) -> None:
        """Answer with what came after a position; wait for more if there is nothing yet."""
        waits, seconds = span_of(request.query)
        found = _after(capture, since)
        if found["lines"] or not waits:
            request.reply(200, {"process": name, **found})
            return
        if self._has_ended:
            raise RequestError(503, "stopping", "the daemon stops")
        wait = Wait(request, "")
        self._for_output.add(wait, seconds, lambda: (200, {"process": name, **_after(capture, since)}))

        def look() -> None:
            found = _after(capture, since)
            if found["lines"] or capture.is_closed:
                self._for_output.answer(wait, 200, {"process": name, **found})

        wait.on_end = capture.listen(look)

    def end(self) -> None:
        """Answer all that still waits: until now processes had something to print at their ends."""
        self._has_ended = True
        self._restarts.end()
        for waits in (self._for_output, self._for_wishes):
            for wait in waits:
                waits.fail(wait, RequestError(503, "stopping", "the daemon stops"))


def _number(request: Request, key: str) -> int | None:
    text = request.query.get(key)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise RequestError(400, "bad-request", f"{key}: {text!r} is not a number")
    return int(text)


def _last(capture: Capture, number: int) -> dict[str, object]:
    """Return the last lines."""
    end, kept = capture.read(0)
    lines = kept.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return {"lines": [_text(line) for line in lines[max(0, len(lines) - number) :]], "next": end}


def _after(capture: Capture, since: int) -> dict[str, object]:
    """Return the whole lines after a position."""
    end, kept = capture.read(since)
    whole, newline, rest = kept.rpartition(b"\n")
    if not newline and len(rest) >= _LONGEST_LINE:
        whole, newline, rest = rest, b"\n", b""
    found: dict[str, object] = {"lines": [_text(line) for line in whole.split(b"\n")] if newline else []}
    if lost := max(0, end - len(kept) - since):
        found["lost"] = lost
    return {**found, "next": end - len(rest)}


def _text(line: bytes) -> str:
    return line.decode(errors="backslashreplace")
