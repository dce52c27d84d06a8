"""Events in words, one line for each; the first one says how things are."""

from __future__ import annotations

from flagman.ctl.fields import GOOD, errors_of
from flagman.ctl.screen import GREEN, RED, YELLOW, clean, color_of
from flagman.ctl.times import duration, is_today, moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagman.ctl.fields import Fields
    from flagman.ctl.screen import Screen

# What has happened to a flag, in words; and the colors of what has happened to a process.
_OF_FLAGS = {"begun": "begins", "held": "is held until it is quiet"}
_OF_PROCESSES = {"fail": RED, "ready": GREEN}


class Teller:
    """Tells events, one after the other.

    :param screen: where they are shown
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        # What each process was in last, so that a line says something new.
        self._states: dict[str, str] = {}

    def lines(self, event: Fields, *, is_gap: bool = False) -> list[str]:
        """Return the lines that show an event; none if there is nothing new for a reader.

        :param is_gap: whether events before this one are missing
        """
        kind, at = event.text("event"), event.text("at")
        gap = [self._screen.paint("[events are missing here]", YELLOW)] if is_gap else []
        if kind == "lost":
            return gap
        told = self._snapshot(event.inner("status")) if kind == "snapshot" else self._change(kind, event)
        return [*gap, *(f"{moment(at, date=not is_today(at))}  {line}" for line in told)]

    def _snapshot(self, status: Fields) -> Iterator[str]:
        """Return how things are: the state, and what needs attention."""
        self._remember(status)
        name = clean(status.text("name")) or "flagman"
        yield f"{name}  {self._painted(status.text('state') or 'unknown')}, {self._ready(status)}"
        if error := status.inner("config").text("error"):
            yield f"config  {self._painted('failed')}: {clean(error)}"
        for flag in status.each("flags"):
            last = flag.inner("last")
            if last and last.text("result") not in GOOD:
                yield f"{clean(flag.text('name'))}  {self._painted(last.text('result'))}{_why(last)}"
        for process in status.each("processes"):
            if not process.is_true("ready"):
                yield self._process(process)

    def _change(self, kind: str, event: Fields) -> Iterator[str]:
        changed = event.inner("changed") or event.inner("status")
        if kind == "run":
            yield self._run(event.inner("run"))
        elif kind in _OF_FLAGS:
            yield f"{clean(event.text('name'))}  {_OF_FLAGS[kind]}"
        elif kind == "process":
            yield self._end(event.inner("process"))
        elif kind == "state":
            # That a process is ready is an event of its own, which tells more.
            new = [e for e in changed.each("processes") if e.text("state") not in ("ready", self._state(e))]
            yield from map(self._process, new)
        elif kind == "readiness":
            yield self._ready(changed)
        elif kind.startswith("reload"):
            yield self._reload(kind, event.inner("reload"), changed.inner("config").text("error"))
        elif kind == "processes":
            yield "there are other processes"
        else:  # ready, stopping, and what a newer daemon tells
            yield self._painted(kind)
        self._remember(changed)

    def _run(self, run: Fields) -> str:
        took = duration(run.number("duration"))
        result = self._painted(run.text("result"))
        return f"{clean(run.text('flag'))}  {result}{took and f' in {took}'}{_why(run)}"

    def _end(self, end: Fields) -> str:
        """Return what has happened to a process."""
        what, pid, text = end.text("event"), end.count("pid"), end.text("text") or end.text("status")
        details = ", ".join(filter(None, [f"pid {pid}" if pid else "", clean(text)]))
        word = self._screen.paint(clean(what), _OF_PROCESSES.get(what, ""))
        return f"process:{clean(end.text('process'))}  {word}{details and f' ({details})'}"

    def _reload(self, kind: str, change: Fields, error: str) -> str:
        if kind == "reloaded":
            counts = ", ".join(f"{len(change.each(what))} {what}" for what in ("kept", "added", "removed"))
            return f"{self._screen.paint('reloaded', GREEN)}: {counts}"
        return f"{self._screen.paint('reload failed', RED)}: {clean(error)}" if error else self._painted(kind)

    def _remember(self, status: Fields) -> None:
        self._states.update({each.text("name"): each.text("state") for each in status.each("processes")})

    def _state(self, process: Fields) -> str:
        """Return in which state a process was before."""
        return self._states.get(process.text("name"), "")

    def _process(self, process: Fields) -> str:
        state, text = process.text("state"), clean(process.text("text"))
        return f"process:{clean(process.text('name'))}  {self._screen.paint(text or clean(state), color_of(state))}"

    def _ready(self, status: Fields) -> str:
        return self._painted("ready") if status.is_true("ready") else self._screen.paint("not ready", YELLOW)

    def _painted(self, word: str) -> str:
        return self._screen.paint(clean(word), color_of(word))


def _why(run: Fields) -> str:
    """Return the end of a line that says what was wrong; empty if nothing was."""
    errors = errors_of(run)
    return f": {clean('; '.join(errors))}" if errors else ""
