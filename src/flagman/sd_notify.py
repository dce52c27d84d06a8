"""The old name of ``flagman.systemd.notify``, kept for programs."""

from flagman.systemd.notify import SystemdNotifier, status

__all__ = ["SystemdNotifier", "status"]
