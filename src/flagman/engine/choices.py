"""Choices: how actions are run; each can be made for one action or for all."""

from __future__ import annotations

from types import MappingProxyType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, NoReturn

    #: What happens after a failed run, see :class:`flagman.Engine`.
    OnError = Literal["continue", "skip", "close", "exit"]
    #: What it means when a flag is raised while its own bundle runs, see :class:`flagman.Engine`.
    Overlap = Literal["ignore", "rerun", "restart"]
    #: What becomes of the output of commands, see :class:`flagman.Engine`.
    Output = Literal["inherit", "log", "null"]

_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
_LARGEST_MASK = 0o777


class Choices:
    """How one action, or all actions of an engine, are run; immutable.

    :param overlap: what it means when a flag is raised while its own bundle runs, see :class:`flagman.Engine`
    :param on_error: what a failed run means, see :class:`flagman.Engine`
    :param timeout: seconds that one run may take; None for the action's own default
    :param max_failures: the number of failed runs in a row at which the engine stops; 0 for no limit
    :param output: what becomes of the output of commands, see :class:`flagman.Engine`
    :param directory: the working directory of commands; None for that of this process
    :param environment: variables that commands get beside those that they inherit, and instead of some of these; the
        names consist of letters, digits and ``_``, and do not begin with ``FLAGMAN_``
    :param umask: the file mode creation mask of commands, from 0 to 0o777; None for that of this process
    :raises ValueError: if a choice is unknown, or a number is out of its range
    """

    __slots__ = ("directory", "environment", "max_failures", "on_error", "output", "overlap", "timeout", "umask")

    overlap: Overlap
    on_error: OnError
    timeout: float | None
    max_failures: int
    output: Output
    directory: str | None
    environment: Mapping[str, str]
    umask: int | None

    def __init__(  # noqa: PLR0913 - each keyword is one documented choice
        self,
        *,
        overlap: Overlap = "ignore",
        on_error: OnError = "continue",
        timeout: float | None = None,
        max_failures: int = 0,
        output: Output = "inherit",
        directory: str | None = None,
        environment: Mapping[str, str] = _NO_VARIABLES,
        umask: int | None = None,
    ) -> None:
        _check("overlap", overlap, ("ignore", "rerun", "restart"))
        _check("on_error", on_error, ("continue", "skip", "close", "exit"))
        _check("output", output, ("inherit", "log", "null"))
        if timeout is not None:
            from flagman.text.spans import LONGEST, is_span  # noqa: PLC0415 - most actions have no timeout

            if not is_span(timeout):
                raise ValueError(
                    f"timeout: {timeout!r} is neither None nor a number of seconds from 0 to {LONGEST:.0f}"
                )
        if not _is_count(max_failures):
            raise ValueError(f"max_failures: {max_failures!r} is not a whole number from 0 on")
        _check_directory(directory)
        if environment:
            from flagman.text.variables import check  # noqa: PLC0415 - most actions have none

            try:
                check(environment.items())
            except ValueError as error:
                raise ValueError(f"environment: {error}") from None
        if umask is not None and not (_is_count(umask) and umask <= _LARGEST_MASK):
            raise ValueError(f"umask: {umask!r} is neither None nor a number from 0 to 0o777")
        values = {
            "overlap": overlap,
            "on_error": on_error,
            "timeout": timeout,
            "max_failures": max_failures,
            "output": output,
            "directory": directory,
            "environment": MappingProxyType(dict(environment)),
            "umask": umask,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"choices are never changed: make others, with {name}={value!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choices) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(tuple((self._values() | {"environment": frozenset(self.environment.items())}).items()))

    def __repr__(self) -> str:
        return f"Choices({', '.join(f'{name}={value!r}' for name, value in self._values().items())})"

    def _values(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


def _check(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(known)}")


def _check_directory(directory: object) -> None:
    if directory is not None and not (isinstance(directory, str) and directory and "\0" not in directory):
        raise ValueError(f"directory: {directory!r} is neither None nor a path")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
