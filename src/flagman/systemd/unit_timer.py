"""A timer of systemd: when it ticks, at intervals or by a calendar, and the signal that it sends."""

from __future__ import annotations

import shutil
import signal
import subprocess

from flagman.exceptions import UsageError
from flagman.systemd import unit_syntax
from flagman.text.spans import format_span, parse_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagman.config.settings import Settings
    from flagman.types import SignalNumber

_MINUTE = 60


def moments(spec: str) -> Iterator[str]:
    """Yield the lines that say when a timer ticks: at intervals, or by a calendar, see :manpage:`systemd.time(7)`."""
    try:
        seconds = parse_span(spec)
    except ValueError:
        yield f"OnCalendar={unit_syntax.text(_calendar(spec))}"
        return
    if not seconds:
        raise UsageError(f"--timer: {spec!r} is too short")
    span = format_span(seconds)
    yield f"OnActiveSec={span}"
    yield f"OnUnitActiveSec={span}"
    if seconds < _MINUTE:
        yield "AccuracySec=100ms"


def signal_of(settings: Settings) -> SignalNumber:
    """Return the signal for a timer to send: the first that runs something, else one that reloads.

    :raises UsageError: if there is none
    """
    bindings = settings.bindings
    ends = [signum for each in bindings if each.name == "stop" for signum in each.source.signals()]
    stopping = {signal.SIGTERM, signal.SIGINT, *ends}
    bound = [
        (each.name == "reload", position, signum)
        for position, each in enumerate(bindings)
        for signum in each.source.signals()
        if signum not in stopping
    ]
    if not bound:
        raise UsageError("--timer needs an action bound to a signal that does not stop the daemon, such as USR1")
    return min(bound)[2]


def _calendar(spec: str) -> str:
    analyze = shutil.which("systemd-analyze")
    good = bool(spec.strip()) and spec.isprintable() and not spec.endswith("\\")  # which continues the line
    if good and analyze:
        command = [analyze, "calendar", "--", spec]
        good = subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - no shell
    if not good:
        raise UsageError(
            f"--timer: {spec!r} is neither a span, such as 15m, nor a calendar event, such as 'Mon *-*-* 06:00'"
        )
    return spec
