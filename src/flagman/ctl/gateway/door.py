"""The door of the gateway: which requests of a browser come in."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from flagman.control.answer import refusal
from flagman.control.doors import LoopbackDoor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flagman.ctl.gateway.keys import Keys
    from flagman.service.request import Request
    from flagman.service.request_error import RequestError

HOST = "127.0.0.1"
_FORM = re.compile(rb"application/x-www-form-urlencoded(?:[ \t]*+;[ \t]*+charset=\"?utf-8\"?)?", re.IGNORECASE)
_JSON = re.compile(rb"application/json(?![^; \t])", re.IGNORECASE)
# More than any form of a page has.
_MOST_FIELDS = 20


class GatewayDoor(LoopbackDoor):
    """Lets in what has the cookie; and what has none only to the login.

    :param port: the number of the port
    """

    def __init__(self, port: int, keys: Keys) -> None:
        super().__init__(HOST, port)
        self._keys = keys

    def authorize(self, method: str, path: Sequence[str], fields: Mapping[bytes, bytes]) -> bool:
        """Refuse what may come from the page of another, and clients without the cookie, but for the login."""
        if method not in {"GET", "HEAD", "OPTIONS"} and not _is_of_own_page(fields):
            raise refusal(403, "a form needs the field Origin, which browsers send; a program sends application/json")
        is_known = self._keys.admits(fields.get(b"cookie", b"").decode("latin-1"))
        is_login = (method, *path) in {("GET", ""), ("HEAD", ""), ("POST", "login")}
        if not is_known and not is_login:
            raise unauthorized()
        return is_known

    def decoder(self, kind: bytes) -> Callable[[bytes], object]:
        """Take forms, too: they become objects of texts."""
        return _from_form if _FORM.fullmatch(kind) else super().decoder(kind)


def unauthorized() -> RequestError:
    """Return the error for all that is not let in; it does not tell what was wrong."""
    return refusal(401, "open the address that flagmanctl page has printed")


def is_form(request: Request) -> bool:
    """Return whether a request comes from a form of a page, so that its answer has to be a page, too."""
    return _FORM.fullmatch(request.fields.get("content-type", "").encode("latin-1")) is not None


def _is_of_own_page(fields: Mapping[bytes, bytes]) -> bool:
    """Return whether a request that changes something can only come from a page of this server, or from a program.

    The field Origin has been judged before. Browsers send it with every POST; old ones do not, but then the page of
    another can send nothing but a form: JSON would need a permission, which nothing here gives.
    """
    is_same = b"origin" in fields or fields.get(b"sec-fetch-site") == b"same-origin"
    return is_same or _JSON.match(fields.get(b"content-type", b"")) is not None


def _from_form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise refusal(400, "the body is no form") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise refusal(400, "the form has a field twice")
    return fields
