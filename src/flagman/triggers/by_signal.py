"""Signals: each that arrives raises its flag; :mod:`flagman.engine.signals` has the handlers."""

from __future__ import annotations

from flagman.engine.signals import flag_of
from flagman.triggers.source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.types import SignalNumber


def source_of(signum: SignalNumber) -> Source:
    """Give what raises the flag of a signal."""
    return Source(flag_of(signum), signum=signum)


def named(text: str) -> Source:
    """Give what raises the flag of a signal that can be bound.

    :param text: its name or number, see :func:`flagman.text.signames.bindable`
    :raises ValueError: if there is none, or it cannot be bound
    """
    from flagman.text.signames import bindable  # noqa: PLC0415 - for --signal alone

    return source_of(bindable(text))
