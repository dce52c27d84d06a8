"""What the parts of a run still wait for, before the daemon is ready; safe in any thread."""

from __future__ import annotations

from flagman.exceptions import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Waiting(Protocol):
        """What a part says of its readiness."""

        def unready(self) -> Sequence[str]:
            """Return what it waits for."""

        def is_unready(self) -> bool:
            """Return whether there is such a thing."""

        def waits_for(self) -> str:
            """Return that as a short sentence."""


def reasons(parts: Sequence[Waiting]) -> list[str]:
    """Return all that the parts still wait for."""
    found: list[str] = []
    for part in parts:
        try:
            found += part.unready()
        except Exception as error:  # noqa: BLE001 - it is the reason
            found.append(f"{type(part).__name__} ({one_line(error)})")
    return found


def is_missing(parts: Sequence[Waiting]) -> bool:
    """Return whether a part waits for something."""
    try:
        return any(part.is_unready() for part in parts)
    except Exception:  # noqa: BLE001 - reasons() tells it
        return True


def sentence(parts: Sequence[Waiting]) -> str:
    """Return what they wait for as a short sentence; empty if they wait for nothing."""
    try:
        return "; ".join(filter(None, (part.waits_for() for part in parts)))
    except Exception:  # noqa: BLE001 - reasons() tells it
        return f"Waiting: {'; '.join(reasons(parts))}"
