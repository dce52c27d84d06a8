"""Signals: each that arrives raises its flag; :mod:`flagman.engine.signals` has the handlers."""

from __future__ import annotations

from signal import SIGINT, SIGTERM

from flagman.engine.signals import HANDLED_SIGNALS, flag_of
from flagman.triggers import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.types import SignalNumber

_OWN_OPTIONS = {flag_of(signum): signum for signum in HANDLED_SIGNALS}
# Their actions run when everything else has ended.
_STOPPING = (SIGTERM, SIGINT)


class SignalSource(Source):
    """A signal.

    :param signum: the signal
    """

    __slots__ = ("_signum",)

    key = "signal"

    def __init__(self, signum: SignalNumber) -> None:
        super().__init__(flag_of(signum))
        self._signum = signum

    def text(self) -> str:
        """Return the name of the signal."""
        return self.trigger.upper()

    def words(self) -> list[str]:
        """Return its own option, if it has one."""
        return [f"--{self.trigger}"] if self._signum in HANDLED_SIGNALS else super().words()

    def signals(self) -> tuple[SignalNumber, ...]:
        """Return the signal."""
        return (self._signum,)

    def spread(self) -> str:
        """Return ``debounce``; nothing for TERM and INT, because nothing moves the last runs of all."""
        return "" if self._signum in _STOPPING else "debounce"


def read(text: str) -> SignalSource:
    """Read a signal that may have actions.

    :param text: its name or number, see :func:`flagman.text.signames.bindable`
    :raises ValueError: if there is none, or it cannot have actions
    """
    if text in _OWN_OPTIONS:
        return SignalSource(_OWN_OPTIONS[text])
    from flagman.text.signames import bindable  # noqa: PLC0415 - only for --signal

    return SignalSource(bindable(text))
