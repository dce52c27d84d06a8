"""The daemon that the gateway shows: the way to it, and whether it is still meant."""

from __future__ import annotations

import os
import socket

from flagman.control.peers import uid_of
from flagman.exceptions import FlagmanError, reason_of


class Daemon:
    """Connects to a daemon, again and again.

    While a daemon is down, another user may be able to listen at its path, for example in ``/tmp``. What that user
    says would be a page of this server, with all that the browser may do here.

    :param path: its socket
    :param user: the number of the user that it runs as, beside root and the user of this process
    """

    def __init__(self, path: str, user: int) -> None:
        self._path = path
        # None, because not every system tells.
        self._users = {None, 0, os.geteuid(), user}

    def connect(self) -> socket.socket:
        """Return a connection, without ever waiting.

        :raises FlagmanError: if there is none, with the reason in one line
        """
        try:
            sock = socket.socket(socket.AF_UNIX)
        except OSError as error:
            raise FlagmanError(f"flagmanctl page has no room for a connection ({reason_of(error)})") from None
        try:
            self._connect(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def _connect(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        try:
            sock.connect(self._path)
        except BlockingIOError:
            raise FlagmanError("it takes in no clients") from None
        except OSError as error:
            raise FlagmanError(reason_of(error)) from None
        user = uid_of(sock)
        if user not in self._users:
            raise FlagmanError(f"the user {user} listens in its place")
