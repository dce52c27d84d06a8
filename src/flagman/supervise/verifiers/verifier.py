"""The class from which plugins derive their verifiers."""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Process:
    """The process that a verifier is asked about, as that sees it in its thread.

    :param name: its name in the file
    :param pid: its number
    :param environment: its environment
    :param is_alive: returns whether it lives, and its verifier is still listened to
    """

    #: The name of the process in the file.
    name: str
    #: The number of the process.
    pid: int
    #: The environment of the process.
    environment: Mapping[str, str]

    def __init__(self, name: str, pid: int, environment: Mapping[str, str], is_alive: Callable[[], bool]) -> None:
        self.name = name
        self.pid = pid
        self.environment = environment
        self._is_alive = is_alive

    def __repr__(self) -> str:
        return f"<Process {self.name}, {self.pid}>"

    def is_alive(self) -> bool:
        """Return whether the process lives, and there is still time: if not, the answer does not count any more."""
        return self._is_alive()


class Verifier(ABC):
    """Finds out whether a process is ready, or still works.

    A distribution offers a subclass under the entry-point group ``flagman.verifier``; its name there is the ``type`` in
    the file. All other keys of the table are given to the constructor as keyword arguments, with underscores for
    hyphens; it is called when the file is read, and raises :exc:`ValueError` for what it cannot use.
    """

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @abstractmethod
    def run(self, process: Process) -> bool:
        """Return whether the process is ready; it is called in a thread of its own, and may wait.

        If it returns False or raises an exception, it is called again after a pause while there is time. The message of
        the exception is told. A call that has not returned when the time is over does not count, and holds nothing up.
        There may be several calls at a time, for several lives of processes, so the verifier must not store in itself
        what belongs to one of them.
        """
