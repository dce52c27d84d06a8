"""The stream of events of a daemon, as a client reads it: server-sent events, with one line of JSON in each."""

from __future__ import annotations

from flagman.ctl.client import refusal
from flagman.ctl.fields import Fields
from flagman.ctl.targets import query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagman.ctl.client import Client

_KIND = b"content-type: text/event-stream"
_DATA = b"data:"
# Bytes of an event at most: the whole status of the largest daemon has a few millions.
_MOST = 64 * 1024 * 1024


def stream(client: Client, since: str = "") -> Iterator[tuple[str, Fields]]:
    """Return the events as they come, each as text and as fields, until the daemon closes the connection.

    :param since: where to go on, which is a value of the key of this name; empty for a snapshot first
    :raises CtlError: if there is no stream, or what comes is none of flagman
    """
    client.send("GET", f"/events{query({'since': since} if since else {})}")
    _check_head(client)
    client.wait_for_ever()
    received = bytearray()
    while piece := client.receive_some():
        searched = max(len(received) - 1, 0)
        received += piece
        while (end := received.find(b"\n\n", searched)) >= 0:
            yield _event(client, bytes(received[:end]))
            del received[: end + 2]
            searched = 0
        if len(received) > _MOST:
            raise client.not_flagman("has an event that is too long")


def _check_head(client: Client) -> None:
    """Read the head of the answer.

    :raises CtlError: if it is not that of a stream
    """
    head = client.receive_head()
    first, *lines = head.split(b"\r\n")
    if first.split()[1:2] == [b"200"] and any(line.lower().startswith(_KIND) for line in lines):
        return
    client.give_back(head + b"\r\n\r\n")
    status, answer = client.receive()
    raise refusal(status, answer) or client.not_flagman("is no stream of events")


def _event(client: Client, text: bytes) -> tuple[str, Fields]:
    """Return an event.

    :raises CtlError: if it is none
    """
    import json  # noqa: PLC0415 - 1 to 5 ms, while the daemon works

    data = b"\n".join(line[len(_DATA) :].strip() for line in text.split(b"\n") if line.startswith(_DATA))
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        raise client.not_flagman("is no JSON") from None
    if not isinstance(told, dict):
        raise client.not_flagman("is no event of flagman")
    return data.decode("ascii", "backslashreplace"), Fields(told)
