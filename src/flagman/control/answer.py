"""The bytes of an answer: its head, and its JSON."""

from __future__ import annotations

import logging
import time
from json import JSONEncoder

from flagman.service.request import Content, Stream
from flagman.service.request_error import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("flagman.control")

NO_CONTENT = 204
#: Asks a client that waits for that to send the body of its request.
GO_AHEAD = b"HTTP/1.1 100 Continue\r\n\r\n"

# What the statuses mean, see RFC 9110 and RFC 6585.
_REASONS = {
    200: "OK",
    202: "Accepted",
    204: "No Content",
    303: "See Other",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    411: "Length Required",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}
# Not those of strftime(), which speaks the language of the process.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# Every character is written in ASCII: names of files may have some that no encoding has. NaN is no JSON.
_encode = JSONEncoder(ensure_ascii=True, allow_nan=False).encode


def refusal(status: int, message: str) -> RequestError:
    """Return the error with the code that is the name of its status, such as ``bad-request``."""
    return RequestError(status, _REASONS[status].lower().replace(" ", "-"), message)


def crowded(places: int) -> RequestError:
    """Return the error that all places are taken."""
    return RequestError(
        503, "too-many-connections", f"{places} clients are connected, and no more are served at a time"
    )


def written(
    status: int, content: object, headers: Mapping[str, str], *, closes: bool = False, has_body: bool = True
) -> bytes:
    """Return an answer as it is sent.

    :param content: what becomes its JSON, or a :class:`~flagman.service.request.Content`; of a
        :class:`~flagman.service.request.Stream` only the head, because its end is that of the connection
    :param headers: further lines of its head
    :param closes: whether it is the last one of its connection
    :param has_body: False if the request was HEAD
    :raises ValueError: if the content is no JSON; or TypeError, or RecursionError
    """
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}", f"Date: {_date(int(time.time()))}"]
    body = b""
    if status != NO_CONTENT:
        kind = "application/json"
        if isinstance(content, Content | Stream):
            kind, headers = content.kind, {**content.headers, **headers}
        lines.append(f"Content-Type: {kind}")
        if not isinstance(content, Stream):
            body = content.data if isinstance(content, Content) else _encode(content).encode() + b"\n"
            lines.append(f"Content-Length: {len(body)}")
    lines += ["Cache-Control: no-store", "X-Content-Type-Options: nosniff"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if closes:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, "\r\n"]).encode()
    return head + body if has_body else head


def written_safely(status: int, content: object, headers: Mapping[str, str], *, closes: bool, has_body: bool) -> bytes:
    """Return an answer as it is sent, see :func:`written`; if the content is no JSON, that it failed."""
    try:
        return written(status, content, headers, closes=closes, has_body=has_body)
    except Exception:
        logger.exception("An answer is no JSON")
        body = refusal(500, "the answer is no JSON, and the log of flagman says why").body
        return written(500, body, {}, closes=closes, has_body=has_body)


def _date(moment: int) -> str:
    """Return a moment of the wall clock as HTTP writes it."""
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime(moment)
    clock = f"{hour:02}:{minute:02}:{second:02}"
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {clock} GMT"
