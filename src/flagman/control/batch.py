"""Events that become text together: what each of them says of the status, which is looked at once for all of them."""

from __future__ import annotations

from json import JSONEncoder

from flagman.engine.ledger import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagman.engine.ledger import Event
    from flagman.service.parts import Site

encode = JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode
# What follows from an event for the status: the kinds after which everything may be different; and those that name
# a flag, or a process.
WHOLE = ("reloaded", "processes")
_OF_FLAGS, _OF_PROCESSES = ("begun", "held", "run"), ("process", "state")


class Batch:
    """Says how things are after some events; in the control loop.

    A later event than these concerns all that changes while this is made.

    :param site: the doors of the run
    :param events: all of them, in their order
    :param is_whole: whether the first one has the whole status, so that no other has to tell of flags and processes
    """

    def __init__(self, site: Site, events: Iterable[Event], *, is_whole: bool) -> None:
        self._site = site
        self._is_whole = is_whole
        flags = set() if is_whole else {name_of(event) for event in events if event.kind in _OF_FLAGS}
        # One look: what the last event says of the run is not older than what one before it says.
        self._shown = site.status.excerpt(flags)
        if site.is_unready():
            self._shown["ready"] = False
        found = self._shown["flags"]
        self._flags = {flag["name"]: flag for flag in found} if isinstance(found, list) else {}
        self._processes: list[dict[str, object]] | None = None
        self._texts: dict[tuple[bool, str], str] = {}

    @property
    def is_ready(self) -> bool:
        """Whether the run is ready."""
        return bool(self._shown["ready"])

    def changed(self, event: Event) -> str:
        """Return what of the status an event may have changed, as JSON."""
        is_of_flag = event.kind in _OF_FLAGS and not self._is_whole
        is_of_process = event.kind in _OF_PROCESSES and not self._is_whole
        key = (is_of_flag, name_of(event) if is_of_flag or is_of_process else "")
        if key not in self._texts:
            flag = self._flags.get(key[1]) if is_of_flag else None
            shown = {**self._shown, "flags": [] if flag is None else [flag]}
            if is_of_process:
                shown["processes"] = self._changed_processes(key[1])
            self._texts[key] = encode(shown)
        return self._texts[key]

    def _changed_processes(self, name: str) -> list[dict[str, object]]:
        """Return a process, and those that wait: they say for which others, and why."""
        if self._processes is None:
            shown = self._site.snapshot().get("processes")
            self._processes = shown if isinstance(shown, list) else []
        return [each for each in self._processes if name == each["name"] or each["state"] == "waiting"]


def name_of(event: Event) -> str:
    """Return the name of the flag or process that an event is about; empty if it is about none."""
    what = event.what
    if isinstance(what, Run):
        return what.flag
    if isinstance(what, dict):
        return str(what.get("process", ""))
    return what if isinstance(what, str) else ""
