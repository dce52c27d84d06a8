"""What is wrong with a request, as its answer tells it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagman.service.request import Request


class RequestError(Exception):
    """A request that cannot be carried out.

    :param status: of HTTP, 400 or more, see :rfc:`9110`
    :param code: what is wrong, in one word that programs may compare, such as ``no-such-flag``
    :param message: what is wrong, in one line for people
    :param did_you_mean: names that may have been meant
    :param headers: further lines of the answer's head, such as ``Allow``
    :param mistakes: all that is wrong, if it is more than one thing
    """

    def __init__(  # noqa: PLR0913 - what an answer has
        self,
        status: int,
        code: str,
        message: str,
        *,
        did_you_mean: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        mistakes: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.did_you_mean = tuple(did_you_mean)
        self.headers = dict(headers or {})
        self.mistakes = tuple(mistakes)

    @property
    def body(self) -> dict[str, object]:
        """The JSON of the answer."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.did_you_mean:
            error["did_you_mean"] = list(self.did_you_mean)
        if self.mistakes:
            error["mistakes"] = list(self.mistakes)
        return {"error": error}


def check(request: Request, *known: str) -> None:
    """Refuse what a request has too much of.

    :param known: the names that may be in its query
    :raises RequestError: if it has more, or a body
    """
    unknown = [name for name in request.query if name not in known]
    if unknown:
        what = f"this path takes {', '.join(known)}" if known else "this path takes no query"
        raise RequestError(400, "bad-request", f"unknown {unknown[0]!r} in the query; {what}")
    if request.body not in (None, {}):
        raise RequestError(400, "bad-request", "this path takes no values in a body")
