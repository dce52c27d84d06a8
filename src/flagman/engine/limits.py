"""What an action may do to the engine that runs it, and the choices that there are for it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    #: What happens after a failed run, see :class:`flagman.Engine`.
    OnError = Literal["continue", "close", "exit"]
    #: What a flag means that is raised while its own bundle runs, see :class:`flagman.Engine`.
    Overlap = Literal["ignore", "rerun"]
    #: What becomes of the output of commands, see :class:`flagman.Engine`.
    Output = Literal["inherit", "log", "null"]


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse what is none of the values that there are.

    :raises ValueError: if it is none
    """
    if value not in choices:
        raise ValueError(f"{name}: {value!r} is none of {', '.join(choices)}")


class Limits:
    """What an action may do to the engine that runs it.

    :param on_error: what a failed run means, see :class:`flagman.Engine`
    :param timeout: seconds that one run may take; None for no end
    :param max_failures: how many runs in a row may fail before the engine stops; 0 for no end
    :param overlap: what a raise during its own run means, see :class:`flagman.Engine`
    :raises ValueError: if one of them is not what it may be
    """

    __slots__ = ("max_failures", "on_error", "overlap", "timeout")

    def __init__(
        self,
        on_error: OnError = "continue",
        timeout: float | None = None,
        max_failures: int = 0,
        overlap: Overlap = "ignore",
    ) -> None:
        check_choice("on_error", on_error, ("continue", "close", "exit"))
        check_choice("overlap", overlap, ("ignore", "rerun"))
        if timeout is not None:
            from flagman.text.spans import LONGEST, is_span  # noqa: PLC0415 - most actions have no timeout

            if not is_span(timeout):
                raise ValueError(
                    f"timeout: {timeout!r} is neither None nor a number of seconds from 0 to {LONGEST:.0f}"
                )
        if not _is_count(max_failures):
            raise ValueError(f"max_failures: {max_failures!r} is not a whole number from 0 on")
        self.on_error = on_error
        self.overlap = overlap
        self.timeout = timeout
        self.max_failures = max_failures


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
