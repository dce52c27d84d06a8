"""What a unit forbids its processes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def lines(*, is_users: bool, has_processes: bool) -> Iterator[str]:
    """Yield lines of the section [Service], see :manpage:`systemd.exec(5)`.

    :param is_users: it is a unit for the systemd of a user
    :param has_processes: the unit keeps processes, and not only runs commands of actions
    """
    them = "the processes and the commands of actions" if has_processes else "the commands of actions"
    yield f"# These also restrict {them}. Remove a line that they cannot work with;"
    yield "# sudo needs the first one removed."
    yield "NoNewPrivileges=yes"
    yield "LockPersonality=yes"
    yield "RestrictRealtime=yes"
    yield "RestrictSUIDSGID=yes"
    yield "SystemCallArchitectures=native"
    if not is_users:
        for name in ("Clock", "ControlGroups", "Hostname", "KernelLogs", "KernelModules", "KernelTunables"):
            yield f"Protect{name}=yes"
        yield "# If they write only to a few places, try these, too:"
        yield "# ProtectSystem=strict"
        yield "# ReadWritePaths="
        yield "# ProtectHome=yes"
        yield "# PrivateTmp=yes"
