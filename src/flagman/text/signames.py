"""Signals as people write them: ``USR1``, ``SIGUSR1``, ``usr1``, ``10``, ``RTMIN+3``; see :manpage:`signal(7)`."""

from __future__ import annotations

import re
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.types import SignalNumber

_FAULT = "it reports a fault of the program itself, which would repeat for ever if it were handled"
_UNCATCHABLE = "no process can catch it"

# Signals that can be sent but not bound to actions, and why.
_RESERVED = {
    signal.SIGKILL: _UNCATCHABLE,
    signal.SIGSTOP: _UNCATCHABLE,
    signal.SIGSEGV: _FAULT,
    signal.SIGBUS: _FAULT,
    signal.SIGFPE: _FAULT,
    signal.SIGILL: _FAULT,
    signal.SIGTTOU: "a write to a terminal from the background raises it, and would repeat for ever if it were handled",
    signal.SIGCHLD: "it informs a process about its own children, and commands that actions run would raise it",
    signal.SIGPIPE: "Python ignores it, so that writing to a closed pipe is an error in the action that writes",
    signal.SIGALRM: "flagman uses it for timeouts",
}

# macOS has none.
_RTMIN = int(getattr(signal, "SIGRTMIN", 0))
_RTMAX = int(getattr(signal, "SIGRTMAX", 0))


def number_of(text: str) -> SignalNumber:
    """Read a signal: a name with or without ``SIG``, in any case, a number, ``RTMIN+n`` or ``RTMAX-n``.

    :raises ValueError: if there is no such signal here
    """
    name = text.strip().upper().removeprefix("SIG")
    if re.fullmatch("[0-9]{1,9}", name):
        number = int(name)
    elif match := re.fullmatch(r"RT(MIN\+|MAX-)([0-9]{1,3})", name):
        offset = int(match[2])
        number = _RTMIN + offset if match[1] == "MIN+" else _RTMAX - offset
        if not _RTMIN <= number <= _RTMAX:
            raise ValueError(f"{text!r} is not between RTMIN and RTMAX, which is RTMIN+{_RTMAX - _RTMIN}")
    else:
        number = int(getattr(signal, f"SIG{name}", 0)) if name.isalnum() else 0
    if number not in signal.valid_signals():
        from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only on the way to an error message

        known = [known.name.removeprefix("SIG") for known in signal.Signals]
        hint = did_you_mean(name, known, otherwise=" of this system; kill -l lists them")
        raise ValueError(f"{text!r} is not a signal{hint}")
    return number


def bindable(text: str) -> SignalNumber:
    """Read a signal that may have actions.

    :raises ValueError: if there is no such signal here, or it cannot have actions
    """
    number = number_of(text)
    if number in _RESERVED:
        raise ValueError(f"{text!r} cannot be bound: {_RESERVED[signal.Signals(number)]}")
    return number


def name_of(number: SignalNumber) -> str:
    """Return the name of a signal without ``SIG``; the real-time ones are counted from the nearer end."""
    if _RTMIN < number < _RTMAX:
        below = number - _RTMIN
        above = _RTMAX - number
        return f"RTMIN+{below}" if below <= above else f"RTMAX-{above}"
    return signal.Signals(number).name.removeprefix("SIG")
