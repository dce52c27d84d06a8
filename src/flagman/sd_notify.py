"""The old name of ``flagman.systemd.notify``, kept for programs."""

from flagman.systemd.notify import SystemdNotifier

__all__ = ["SystemdNotifier"]
