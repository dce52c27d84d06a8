"""When a timer of systemd ticks: at intervals, or by a calendar."""

from __future__ import annotations

import shutil
import subprocess

from flagman.exceptions import UsageError
from flagman.systemd import unit_syntax
from flagman.text.spans import format_span, parse_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

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
