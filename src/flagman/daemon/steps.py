"""Single steps on the way to a daemon, each of which works, or says in one line why it does not."""

from __future__ import annotations

import os
from contextlib import ExitStack

from flagman.daemon import descriptors
from flagman.exceptions import DaemonError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.daemon.descriptors import Stream


def prevent_core_dumps() -> None:
    """Set the limit of their size to 0, for good, see :manpage:`setrlimit(2)`."""
    import resource  # noqa: PLC0415 - for this step alone

    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        raise DaemonError(f"core dumps: cannot be prevented: {error}") from error


def change_root(path: str | os.PathLike[str]) -> None:
    """Let paths begin there, also that of the working directory, which would lead out otherwise."""
    try:
        os.chroot(path)
        os.chdir("/")
    except OSError as error:
        raise DaemonError(f"chroot {os.fspath(path)!r}: cannot be entered: {error.strerror}") from error


def change_directory(path: str | os.PathLike[str]) -> None:
    """Make it the working directory."""
    try:
        os.chdir(path)
    except OSError as error:
        raise DaemonError(f"working directory {os.fspath(path)!r}: cannot be entered: {error.strerror}") from error


def redirect(*streams: Stream | None) -> None:
    """Let the standard streams lead elsewhere, all or none of them.

    :param streams: for input, output and error; None keeps one as it is
    """
    with ExitStack() as opened:
        sources: list[tuple[int, int]] = []
        for descriptor, stream in enumerate(streams):
            if stream is None:
                continue
            source = descriptors.open_stream(stream, descriptor)
            if isinstance(stream, str | os.PathLike) and source > descriptors.STDERR:
                opened.callback(os.close, source)
            sources.append((descriptor, source))
        descriptors.flush()
        try:
            for descriptor, source in sources:
                descriptors.lead(descriptor, source)
        except OSError as error:
            raise DaemonError(f"the standard streams cannot be redirected: {error.strerror}") from error
