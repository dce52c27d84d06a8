"""The output of a process that flagman takes in: kept for a look at it, and passed on to the log or to a file."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.service.control_loop import ControlLoop


class Capture:
    """Takes in the output of one process, over all of its lives; everything is called in the control loop.

    :param name: of the process
    :param output: ``"log"``, or the absolute path of a file
    :param loop: watches the pipes
    """

    def __init__(self, name: str, output: str, loop: ControlLoop) -> None:
        raise NotImplementedError

    def begin(self) -> int:
        """Return a descriptor for the standard output and error of a new life; the caller closes it after the start.

        :raises StartError: if there are too many open files
        """
        raise NotImplementedError

    def tail(self, lines: int, since: int = 0) -> list[str]:
        """Return the last lines that are kept, as they can be shown on a terminal.

        :param since: only what came after this position, see :attr:`position`
        """
        raise NotImplementedError

    @property
    def position(self) -> int:
        """The number of bytes that have been kept so far."""
        raise NotImplementedError

    def read(self, since: int) -> tuple[int, bytes]:
        """Return the position now, and what is kept of that which came after another one."""
        raise NotImplementedError

    def listen(self, code: Callable[[], object]) -> Callable[[], None]:
        """Call ``code`` whenever there is more; return what ends that."""
        raise NotImplementedError

    def end(self) -> None:
        """Take in what the pipe of the life that has ended holds now; others that still hold it are read further."""
        raise NotImplementedError

    def close(self) -> None:
        """Take in what the pipes hold now, and close them and the file."""
        raise NotImplementedError
