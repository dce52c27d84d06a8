"""Another user and another group: found by name, taken on for good, and verified."""

from __future__ import annotations

import grp
import os
import pwd
from contextlib import contextmanager, suppress

from flagman.exceptions import DaemonError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Variables that lead to the files of the user that started this process, see the XDG Base Directory Specification.
_HOMES = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME")


class Identity:
    """The user and the group that a process becomes, looked up now because a new root may not know them.

    :param user: a name or a uid; None keeps the user
    :param group: a name or a gid; by default that of the user
    :raises DaemonError: if there is no such user or group, or no group for a uid without a name
    """

    def __init__(self, user: str | int | None, group: str | int | None = None) -> None:
        entry = None if user is None else _user(user)
        self.uid = os.geteuid() if user is None else entry.pw_uid if entry else int(user)
        if group is not None:
            self.gid = gid_of(group)
        elif entry is not None:
            self.gid = entry.pw_gid
        else:
            raise DaemonError(f"user: {user!r} is not in the user database, so the group is unknown; give a group, too")
        #: All supplementary groups, as initgroups(3) would set them.
        self.groups = {self.gid} if entry is None else {self.gid, *os.getgrouplist(entry.pw_name, self.gid)}
        #: Variables of the environment that programs look at; None removes one.
        self.environment: dict[str, str | None] = {}
        if entry is not None:
            self.environment = {"HOME": entry.pw_dir, "LOGNAME": entry.pw_name, "USER": entry.pw_name}
        elif user is not None:
            self.environment = {"HOME": "/", "LOGNAME": None, "USER": None}
        if self.environment:
            self.environment |= dict.fromkeys(_HOMES)
        self._name = f"user {user!r}" if user is not None else f"group {group!r}"

    def take_on(self) -> None:
        """Become this user, with no way back, see :manpage:`credentials(7)`.

        :raises DaemonError: if that is not permitted, or has not had that effect
        """
        ours = self._is_taken_on()
        if ours and os.geteuid() != 0:
            return  # only root may change the supplementary groups
        try:
            os.setgroups([self.gid, *sorted(self.groups - {self.gid})])  # some systems make the first the effective one
            _set_all(self.gid, getattr(os, "setresgid", None), os.setgid)
            _set_all(self.uid, getattr(os, "setresuid", None), os.setuid)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise DaemonError(f"cannot change to {self._name}: {reason}") from error
        # Linux may list the effective group among the supplementary ones, so it may be in either set.
        if not self._is_taken_on() or set(os.getgroups()) | {self.gid} != self.groups:
            raise DaemonError(f"cannot change to {self._name}: the system reports another identity")
        if self.uid != 0:
            self._try_to_go_back()
        for name, value in self.environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    @contextmanager
    def assumed(self) -> Iterator[None]:
        """Act as this user within a block, as root that comes back: what this user may not do fails there.

        All threads of the process do so.

        :raises OSError: if this process may not
        """
        uid, gid, groups = os.geteuid(), os.getegid(), os.getgroups()
        try:
            os.setgroups([self.gid, *sorted(self.groups - {self.gid})])
            os.setegid(self.gid)
            os.seteuid(self.uid)
            yield
        finally:
            os.seteuid(uid)
            os.setegid(gid)
            os.setgroups(groups)

    def _is_taken_on(self) -> bool:
        if hasattr(os, "getresuid"):
            return os.getresuid() == (self.uid,) * 3 and os.getresgid() == (self.gid,) * 3
        return {os.getuid(), os.geteuid()} == {self.uid} and {os.getgid(), os.getegid()} == {self.gid}

    def _try_to_go_back(self) -> None:
        for way in (os.setuid, os.seteuid):
            with suppress(OSError):
                way(0)
                raise DaemonError(f"cannot change to {self._name} for good: this process could still become root again")


def _set_all(
    number: int, real_effective_saved: Callable[[int, int, int], None] | None, one: Callable[[int], None]
) -> None:
    if real_effective_saved is not None:
        real_effective_saved(number, number, number)
    else:
        one(number)


def _user(user: str | int) -> pwd.struct_passwd | None:
    """Return the entry of a user; None for a number without a name."""
    try:
        return pwd.getpwnam(user) if isinstance(user, str) else pwd.getpwuid(user)
    except (KeyError, ValueError, OverflowError):
        if isinstance(user, str) and not _is_number(user):
            raise DaemonError(f"user: no such user {user!r}") from None
    with suppress(KeyError):
        return pwd.getpwuid(int(user))
    return None


def gid_of(group: str | int, what: str = "group") -> int:
    """Return the number of a group.

    :param group: a name or a number
    :param what: begins the message
    :raises DaemonError: if there is none of this name
    """
    if isinstance(group, int):
        return group
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        if _is_number(group):
            return int(group)
        raise DaemonError(f"{what}: no such group {group!r}") from None


def _is_number(text: str) -> bool:
    # The largest number stands for "as it is" in setresuid(2).
    return text.isascii() and text.isdigit() and len(text) <= len(str(2**32)) and int(text) < 2**32 - 1
