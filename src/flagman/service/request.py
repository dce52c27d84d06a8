"""A request to a control interface, as the part that serves it sees it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    #: Answers a request, with the status of HTTP, and with what becomes its JSON, or a Content, or a Stream.
    Reply = Callable[[int, object], None]

#: What a part is asked for, see :meth:`~flagman.service.parts.Part.requests`, for the page: the lines that processes
#: have just printed, by their names. Only in the control loop; no event tells when they change.
PRESENT_LINES = "present lines"


class Content:
    """The content of an answer that is not JSON.

    :param kind: its media type, such as ``text/plain; charset=utf-8``
    :param data: the content
    :param headers: further lines of the answer's head
    """

    __slots__ = ("data", "headers", "kind")

    def __init__(self, kind: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.data = data
        self.headers = dict(headers or {})


class Stream:
    """An answer that goes on until it is over, its client goes away, or the daemon ends.

    Of an answer to HEAD it is only closed. The client gets a piece when it has taken the one before, so one that does
    not read costs one piece of memory. All of this happens in the control loop.
    """

    #: Its media type.
    kind = "application/octet-stream"
    #: Further lines of the answer's head.
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        #: Whether nothing more comes; looked at when :meth:`next` has returned None.
        self.is_over = False
        #: To be called when :meth:`next` has more to return; the connection sets it.
        self.wake: Callable[[], object] = bool

    def next(self) -> bytes | None:
        """Return the next piece; None if there is none now."""
        raise NotImplementedError

    def close(self) -> None:
        """Note that nothing is taken any more; called once."""


class Request:
    """A request to a control interface, for the part that serves it.

    :param path: the values of the parts of the path that are written in capitals, such as NAME
    :param query: the values that follow the path
    :param body: the JSON that came with it; None if there was none
    :param reply: answers it; may be called later, in the control loop; only the first answer counts
    :param uid: the user that asks; None if it is not known
    :param fields: the fields of its head, by their names in small letters
    """

    __slots__ = ("body", "fields", "on_gone", "path", "query", "reply", "uid")

    def __init__(  # noqa: PLR0913, PLR0917 - what a request has
        self,
        path: Mapping[str, str],
        query: Mapping[str, str],
        body: object,
        reply: Reply,
        uid: int | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self.query = query
        self.body = body
        self.reply = reply
        self.uid = uid
        self.fields = fields or {}
        #: Called in the control loop if the client goes away before it has been answered; the route may replace it.
        self.on_gone: Callable[[], object] = bool
