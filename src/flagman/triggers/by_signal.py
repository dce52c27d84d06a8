"""Signals: each that arrives raises its flag; :mod:`flagman.engine.signals` has the handlers."""

from __future__ import annotations

from flagman.engine.signals import flag_of
from flagman.text.signames import bindable
from flagman.triggers import Source


def named(text: str) -> Source:
    """Give what raises the flag of a signal that can be bound.

    :param text: its name or number, see :func:`flagman.text.signames.bindable`
    :raises ValueError: if there is none, or it cannot be bound
    """
    number = bindable(text)
    return Source(flag_of(number), signum=number)
