"""The name by which programs have always known the module of the notifier."""

from flagman.systemd.notify import SystemdNotifier

__all__ = ["SystemdNotifier"]
