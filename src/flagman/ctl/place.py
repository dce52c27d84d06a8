"""Finds the control socket of the daemon that is meant, and connects to it."""

from __future__ import annotations

import os

from flagman.ctl.client import Client
from flagman.ctl.errors import BAD, NO_DAEMON, UNKNOWN, CtlError
from flagman.ctl.fields import Fields
from flagman.exceptions import FlagmanError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagman.ctl.words import Words

# Where daemons of the system have their sockets.
_SYSTEM = "/run/flagman"
_SUFFIX = ".sock"
# What is added to the path of a socket for the file that its daemon locks.
_LOCK = ".lock"


class DeadError(CtlError):
    """The pid file tells that no daemon runs."""


class NoSocketError(CtlError):
    """The daemon runs, but has no socket.

    :param message: why it cannot be asked
    :param pid: its pid
    """

    def __init__(self, message: str, pid: int) -> None:
        super().__init__(message, UNKNOWN)
        self.pid = pid


def connect(words: Words) -> Client:
    """Connect to the daemon that is meant.

    :raises CtlError: if there is none, or it may not be asked
    :raises UsageError: if it is not clear which one is meant
    """
    if words.pid_file:
        return _with_pid_file(words)
    path = words.control or ("" if words.name else os.environ.get("FLAGMAN_CONTROL", ""))
    if not path and not words.name:
        return _the_only_one(words)
    if path and "/" not in path:
        _check_path(path, "--control" if words.control else "FLAGMAN_CONTROL")
    paths = [path] if path else _named(words.name)
    client = _reached(paths, words.wait)
    if client is None:
        raise _vanished(paths) or CtlError(
            f"not running: {f'nothing listens on {path}' if path else _unknown(words.name)}", NO_DAEMON
        )
    return client


def _check_path(path: str, what: str) -> None:
    """Refuse an address of a daemon.

    :raises UsageError: if it is one
    """
    from flagman.config.places import is_address  # noqa: PLC0415 - most paths have a slash

    if is_address(path):
        raise UsageError(
            f"{what}: {path!r} is an address, and flagmanctl speaks only to Unix sockets; give the daemon one more"
            " --control, with a PATH or without anything"
        )


def again(client: Client, wait: float | None) -> Client:
    """Connect once more to the daemon that a client is connected to.

    :param wait: as for the client
    :raises CtlError: if it does not run any more
    """
    other = _reached([client.path], wait)
    if other is None:
        raise CtlError(f"not running: nothing listens on {client.path}", NO_DAEMON)
    return other


def holder(pid_file: str) -> int:
    """Return the pid of the daemon that has written a pid file.

    :raises DeadError: if none runs
    :raises CtlError: if that is not known
    """
    from flagman.daemon.holder import read_pid  # noqa: PLC0415 - only with a pid file

    try:
        pid = read_pid(pid_file)
        is_there = pid is None and os.path.lexists(pid_file)
    except OSError as error:
        raise CtlError(f"status unknown: {error.strerror} ({pid_file})", UNKNOWN) from None
    except FlagmanError as error:
        raise CtlError(f"status unknown: {error}", UNKNOWN) from None
    if pid is not None:
        return pid
    if is_there:
        raise DeadError(f"dead, but its pid file exists ({pid_file})", BAD)
    raise DeadError(f"not running ({pid_file})", NO_DAEMON)


def _with_pid_file(words: Words) -> Client:
    pid_file = words.pid_file
    pid = holder(pid_file)
    name = os.path.splitext(os.path.basename(pid_file))[0]  # noqa: PTH119, PTH122 - pathlib costs 5 ms
    try:
        client = _reached(_named(name), words.wait)
    except CtlError as error:
        raise error if error.exit_code != UNKNOWN else NoSocketError(str(error), pid) from None
    if client is not None and not _belongs_to(client, pid):
        client.close()
        client = None
    if client is None:
        raise _vanished(_named(name), pid) or NoSocketError(
            f"the daemon runs (pid {pid}), but has no control socket {name + _SUFFIX!r}: start it with --control, or, "
            "if it has another name, use --name instead of --pid-file",
            pid,
        )
    return client


def _belongs_to(client: Client, pid: int) -> bool:
    """Return whether a socket belongs to a process: another daemon may have the same name."""
    if client.peer in {0, pid}:
        return True
    _, answer = client.ask("GET", "/status")  # the peer is the service manager if that has made the socket
    return Fields(answer).number("pid") == pid


def _folders() -> list[str]:
    """Return the places of sockets, each once."""
    folders = os.environ.get("RUNTIME_DIRECTORY", "").split(":")
    if user := os.environ.get("XDG_RUNTIME_DIR", ""):
        folders.append(f"{user}/flagman")
    return list(dict.fromkeys(filter(None, [*folders, _SYSTEM])))


def _named(name: str) -> list[str]:
    """Return the paths that the socket of a daemon may have."""
    return [f"{folder}/{place}{_SUFFIX}" for folder in _folders() for place in (name, f"{name}/{name}")]


def _all(suffix: str) -> list[str]:
    """Return the paths of all files in the places of sockets that end so."""
    found = []
    for folder in _folders():
        try:
            entries = sorted(os.listdir(folder))  # noqa: PTH208 - as above
        except OSError:
            continue
        found += [f"{folder}/{name}" for name in entries if name.endswith(suffix)]
        found += filter(os.path.exists, [f"{folder}/{name}/{name}{suffix}" for name in entries])
    return found


def _reached(paths: Iterable[str], wait: float | None) -> Client | None:
    """Connect to the first of some sockets on which a daemon listens; None if there is none.

    :raises CtlError: if one may not be used
    """
    for path in paths:
        try:
            return Client(path, wait)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            continue
        except OSError as error:
            raise _unusable(path, error) from None
    return None


def _the_only_one(words: Words) -> Client:
    clients, errors = [], []
    for path in _all(_SUFFIX):
        try:
            client = _reached([path], words.wait)
        except CtlError as error:
            errors.append(error)
        else:
            clients += [client] if client else []
    if len(clients) == 1:
        return clients[0]
    for client in clients:
        client.close()
    if clients:
        names = ", ".join(f"{name_of(client.path)} ({client.path})" for client in clients)
        raise UsageError(f"several daemons run here: {names}; choose one with --name or --control")
    if errors:
        raise errors[0]
    locks = [path.removesuffix(_LOCK) for path in _all(_SUFFIX + _LOCK)]
    folders = " or ".join(_folders())
    raise _vanished(locks) or CtlError(
        f"no daemon has a control socket in {folders}; flagman --control makes one", NO_DAEMON
    )


def name_of(path: str) -> str:
    """Return the name of the daemon with a socket."""
    return os.path.basename(path).removesuffix(_SUFFIX)  # noqa: PTH119 - as above


def _unknown(name: str) -> str:
    """Return that there is no daemon of a name, and which one may be meant."""
    from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only for a mistake

    return f"no daemon {name!r} has a control socket{did_you_mean(name, set(map(name_of, _all(_SUFFIX))))}"


def _vanished(paths: Iterable[str], meant: int = 0) -> NoSocketError | None:
    """Return the error that a daemon runs without its socket; None if no daemon holds the lock of one.

    :param meant: the pid that the daemon has to have; 0 for any
    """
    from flagman.daemon.holder import read_pid  # noqa: PLC0415 - only for a mistake

    for path in paths:
        try:
            pid = read_pid(path + _LOCK)
        except (OSError, FlagmanError):
            continue
        if pid is not None and meant in {0, pid}:
            # Not simply kill -HUP: it stops a daemon without a configuration file.
            return NoSocketError(
                f"the daemon runs (pid {pid}), but its socket {path} is gone: restart it, or reload it if it has a "
                "configuration file",
                pid,
            )
    return None


def _unusable(path: str, error: OSError) -> FlagmanError:
    if isinstance(error, PermissionError):
        return CtlError(f"not permitted to use {path}: the daemon belongs to another user", UNKNOWN)
    if error.strerror is None:  # Python's own error
        return UsageError(f"the path of the socket is too long: {path}")
    return CtlError(f"cannot use {path}: {error.strerror}", UNKNOWN)
