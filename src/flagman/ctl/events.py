"""The verb ``events``: what happens in a daemon, as it happens."""

from __future__ import annotations

from flagman.ctl.asking import reach
from flagman.ctl.errors import NO_DAEMON, CtlError
from flagman.ctl.happened import Teller
from flagman.ctl.place import again
from flagman.ctl.screen import Screen, write
from flagman.ctl.streams import stream
from flagman.ctl.verbs import LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from flagman.ctl.client import Client
    from flagman.ctl.words import Words


def run(words: Words) -> NoReturn:
    """Show the events until the daemon ends, or this is interrupted.

    :raises CtlError: if the daemon goes, or does not tell
    :raises KeyboardInterrupt: at the end
    """
    following = _Following(words)
    client = reach(words)
    try:
        while True:
            following.follow(client)
            client.close()
            client = following.connect_again(client)
    finally:
        client.close()


class _Following:
    """Shows events, and knows where to go on: what was too slow for the daemon is told so, and connects again."""

    def __init__(self, words: Words) -> None:
        self._is_json = words.json
        self._teller = Teller(Screen(words.color))
        self._since = words.since
        self._life = ""
        self._is_stopping = False

    def follow(self, client: Client) -> None:
        """Show all that comes over a connection.

        :raises CtlError: if it is of another run of the daemon, or nothing comes
        """
        is_empty = True
        for text, event in stream(client, self._since):
            is_empty = False
            kind = event.text("event")
            is_gap = kind == "lost" or (kind == "snapshot" and bool(self._since))
            if kind == "lost":
                self._since = ""
            else:
                self._note(event.text("since"))
                self._is_stopping = self._is_stopping or kind == "stopping"
            if self._is_json:
                write(text.replace("\x7f", "\\u007f"))
            elif lines := self._teller.lines(event, is_gap=is_gap):
                write("\n".join(lines))
        if is_empty:
            raise _ended()

    def _note(self, since: str) -> None:
        life = since.rpartition("-")[0]
        if self._life and life != self._life:
            raise _ended()
        self._since, self._life = since, life

    def connect_again(self, client: Client) -> Client:
        """Return another connection to the same daemon, which has closed the one before.

        :raises CtlError: if it has ended
        """
        if self._is_stopping:
            raise _ended()
        try:
            return again(client, LIMIT)
        except CtlError as error:
            raise _ended() if error.exit_code == NO_DAEMON else error from None


def _ended() -> CtlError:
    return CtlError("the daemon has ended", NO_DAEMON)
