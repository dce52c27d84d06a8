"""The listening sockets of the control interface: made and bound as settings ask for them, each with its door."""

from __future__ import annotations

import os

from flagman.config.paths import Start
from flagman.config.places import is_address
from flagman.control import place
from flagman.control.activation import Activated
from flagman.control.doors import TcpDoor, UnixDoor
from flagman.control.listener import Listener
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flagman.control.doors import Door
    from flagman.control.place import Place
    from flagman.control.tcp import TcpListener
    from flagman.control.token import Token
    from flagman.service.preparation import Preparation

    AnyListener = Activated | Listener | TcpListener


class Entrance:
    """A listening socket, and the door that its clients come in by."""

    __slots__ = ("door", "listener")

    def __init__(self, listener: AnyListener, door: Door) -> None:
        self.listener = listener
        self.door = door


class Entrances:
    """All entrances of a run: those of Unix sockets first, and all in the order in which they were given.

    They are bound, as the user of the start, and closed with its preparation.

    :raises UsageError: if an entrance, or the token, cannot be right
    :raises FlagmanError: if a socket cannot be bound
    """

    def __init__(self, preparation: Preparation) -> None:
        self._preparation = preparation
        settings = preparation.settings
        place.check(settings)
        #: The token of the addresses; None if there are none.
        self.token: Token | None = None
        addresses = [each for each in settings.control if isinstance(each, str) and is_address(each)]
        if addresses:  # first, because nothing has to be undone if the token is wrong
            from flagman.control.token import Token  # noqa: PLC0415 - only for an address

            file = Start().absolute(settings.control_token)
            self.token = Token(file, is_in_reach=settings.chroot is None)
        self.all = [*self._unix(), *self._tcp(addresses)]

    def _unix(self) -> Iterable[Entrance]:
        settings, identity = self._preparation.settings, self._preparation.identity
        places = place.find(settings, os.geteuid() if identity is None else identity.uid)
        if not places:
            return
        door = UnixDoor(places[0].group)
        activated = self._activated(places)
        if activated is not None:
            yield Entrance(activated, door)
            places = [each for each in places if not each.is_usual and each.path != activated.where]
        for each in places:
            listener = Listener(each, identity, is_in_reach=settings.chroot is None)
            self._preparation.stack.callback(listener.close)
            listener.bind()
            yield Entrance(listener, door)

    def _activated(self, places: Sequence[Place]) -> Activated | None:
        """Return the socket of the service manager; None if it has opened none.

        It takes the usual place, or the path where it listens, which then has to be among those that are wanted.
        """
        if not self._preparation.sockets:
            return None
        takes_usual = any(each.is_usual for each in places)
        activated = Activated(self._preparation.sockets, () if takes_usual else [each.path for each in places])
        self._preparation.stack.callback(activated.close)
        if takes_usual and any(each.path == activated.where for each in places if not each.is_usual):
            raise UsageError(f"--control: {activated.where!r} is given twice: the manager listens there")
        return activated

    def _tcp(self, addresses: Iterable[str]) -> Iterable[Entrance]:
        if self.token is None:
            return
        from flagman.control.tcp import TcpListener  # noqa: PLC0415 - only for an address

        for each in addresses:
            listener = TcpListener(each)
            self._preparation.stack.callback(listener.close)
            listener.bind()
            yield Entrance(listener, TcpDoor(listener.host, listener.port, self.token))
