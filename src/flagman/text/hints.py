"""The hint at the end of a message about a mistake."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str = "", likeness: float = 0.6) -> str:
    """Return the end of a message about an unknown name.

    :param known: the names that there are
    :param otherwise: the end if none of them is similar
    :param likeness: how similar a name must be, from 0 to 1
    """
    close = nearest(name, known, likeness=likeness)
    return f"; did you mean {close[0]!r}?" if close else otherwise


def nearest(name: str, known: Iterable[str], *, likeness: float = 0.6) -> list[str]:
    """Return up to three names that are similar to an unknown one, the best first.

    :param known: the names that there are
    :param likeness: how similar a name must be, from 0 to 1
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to a message

    return get_close_matches(name, list(known), n=3, cutoff=likeness)
