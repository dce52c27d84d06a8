"""The steps between the start of a process and its program, and the words of the shim that takes them."""

from __future__ import annotations

import errno
import os
import sys

from flagman.children.environment import encoded
from flagman.exceptions import DaemonError, FlagmanError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagman.daemon.privileges import Identity

# Login shells that are none: a program that would run one does better without.
_NO_SHELLS = ("nologin", "false", "true", "sync")


def identity_of(user: str | None, group: str | None) -> Identity | None:
    """Look a user and a group up; return None if neither is given.

    :raises UsageError: if there is no such user or group, or the group of a user is not known
    """
    if user is None and group is None:
        return None
    from flagman.daemon.privileges import Identity  # noqa: PLC0415 - most processes need none

    try:
        return Identity(user, group)
    except DaemonError as error:
        raise UsageError(str(error)) from error


def login(identity: Identity) -> dict[bytes, bytes | None]:
    """Return the variables of a user's login, as systemd sets them, see systemd.exec(5); None removes one."""
    is_other = identity.uid != os.geteuid()
    variables: dict[bytes, bytes | None] = {}
    for name, value in identity.environment.items():
        if value is not None:
            variables[name.encode()] = encoded(value)
        elif is_other:
            variables[name.encode()] = None
    if identity.environment:
        variables[b"SHELL"] = _shell(identity.uid)
    return variables


def _shell(uid: int) -> bytes | None:
    import pwd  # noqa: PLC0415 - as above

    try:
        shell = pwd.getpwuid(uid).pw_shell or "/bin/sh"
    except KeyError:
        return None
    return None if os.path.basename(shell) in _NO_SHELLS else encoded(shell)  # noqa: PTH119 - pathlib costs 5 ms


def steps_of(  # noqa: PLR0913 - all that there may be
    identity: Identity | None,
    *,
    names_user: bool,
    directory: str | None,
    umask: int | None,
    nice: int | None,
    limits: Mapping[str, tuple[int, int]],
) -> tuple[str, ...]:
    """Return the steps in their order: what only root may do comes before the user, and the directory after it.

    :param names_user: whether a failure of the identity is told as one of the user, and not of the group
    """
    steps = [f"limits.{name}={soft}:{hard}" for name, (soft, hard) in limits.items()]
    if nice is not None:
        steps.append(f"nice={nice}")
    if identity is not None:
        # Some systems make the first one the effective one.
        groups = [identity.gid, *sorted(identity.groups - {identity.gid})]
        name = "user" if names_user else "group"
        steps.append(f"{name}={identity.uid}:{identity.gid}:{','.join(map(str, groups))}")
    if umask is not None:
        steps.append(f"umask={umask:03o}")
    if directory is not None:
        steps.append(f"directory={directory}")
    return tuple(steps)


def source() -> str:
    """Return the source of the shim, also out of a zip archive.

    :raises FlagmanError: if flagman is installed without its source
    """
    from flagman.supervise.launch import shim  # noqa: PLC0415 - most processes need none

    get_source = getattr(shim.__loader__, "get_source", None)
    text = get_source(shim.__name__) if get_source is not None else None
    if not isinstance(text, str):
        raise FlagmanError("the source of flagman is not there, and directory, user and limits need it")
    return text


def words_of(code: str, report: int, steps: Sequence[str], program: str, words: Sequence[str]) -> tuple[str, ...]:
    """Return the command of the shim; its first word is the path of the interpreter.

    :param report: the shim's number of the descriptor for what has failed
    :raises OSError: if there is no interpreter
    """
    if not sys.executable:
        raise OSError(errno.ENOENT, "the path of the Python interpreter is not known, and the steps before it need it")
    return (
        sys.executable,
        *("-I", "-S", "-X", "utf8", "-c", code, str(report)),
        *steps,
        *("--", program, *words),
    )


def for_loader() -> dict[bytes, bytes]:
    """Return the variables that tell the loader where Python's own libraries are, with which this process runs."""
    return {name: value for name, value in os.environb.items() if name.startswith((b"LD_", b"DYLD_"))}


def disguised(environment: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the variables of a shim that starts a program with this environment, all under other names.

    A variable such as LD_LIBRARY_PATH may lead to a directory that the user of the program may write to. Only our own
    marks of a process can be seen from its start on.
    """
    marks = {name: value for name, value in environment.items() if name.startswith(b"FLAGMAN_")}
    return {**marks, **{b"_" + name: value for name, value in environment.items()}}
