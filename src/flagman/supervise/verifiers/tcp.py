"""The kind ``tcp``: a process that accepts connections at an address is ready."""

from __future__ import annotations

from flagman.supervise.verifiers.dialing import Dial, answers_now, resolved
from flagman.supervise.verifiers.kind import Attempt, Gifts, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Self

    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.verifiers.dialing import Place
    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around

_LARGEST_PORT = 65535


class Tcp(Kind):
    """A process that accepts connections at an address is ready.

    :param address: as the file has it
    :param places: where that is
    """

    name = "tcp"
    looks_before = True
    is_for_liveness = True

    def __init__(self, address: str, places: tuple[Place, ...]) -> None:
        super().__init__(address)
        self._address = address
        self._places = places

    @classmethod
    def read(cls, keys: Keys) -> Self:
        """Take the address, and look its host up."""
        address = keys.text("address", example='"127.0.0.1:8000" or ":8000"')
        places: tuple[Place, ...] = ()
        if address:
            try:
                places = resolved(*split(address))
            except ValueError as error:
                keys.wrong("address", error)
        keys.check()
        return cls(address, places)

    def text(self) -> str:
        """Return the kind and the address."""
        return f"{self.name} {self._address}"

    def gifts(self, loop: ControlLoop) -> Gifts:  # noqa: ARG002 - it takes no time
        """Look whether something answers already."""
        return Gifts(self._address if answers_now(self._places) else "")

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        """Connect, and close the connection."""
        return Connected(around.loop, self._places, answer)


class Connected(Attempt):
    """A connection that is closed as soon as it has been made."""

    def __init__(self, loop: ControlLoop, places: tuple[Place, ...], answer: Answer) -> None:
        self._answer = answer
        self._dial = Dial(loop, places, self._done)
        self._dial.begin()

    def _done(self, connection: socket.socket | None, why: str) -> None:
        if connection is not None:
            connection.close()
        self._answer(why)

    def cancel(self) -> None:
        """End it."""
        self._dial.cancel()


def split(address: str) -> tuple[str, int]:
    """Split an address into host and port: ``host:80``, ``[::1]:80``, or ``:80`` for this machine.

    :raises ValueError: if it is not of this form
    """
    host, colon, port = address.rpartition(":")
    if not colon or (":" in host) is not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"{address!r} is not of the form HOST:PORT, [ADDRESS]:PORT or :PORT")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _LARGEST_PORT):
        raise ValueError(f"{address!r} has no port from 1 to {_LARGEST_PORT}")
    return host.strip("[]"), int(port)
