"""What a part may take while the process still has the user, the root and the working directory of its start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from flagman.config.settings import Settings
    from flagman.daemon.privileges import Identity


class Preparation:
    """What a part gets for its ``prepare``.

    That is called in the process that stays, after the fork of a daemon and when the pid file is taken, and before the
    root and the user change. Signals may be blocked meanwhile, so it must not wait. It raises
    :class:`flagman.exceptions.FlagmanError` if the run cannot start.

    :param settings: those of the start, with relative paths as they were given
    :param identity: the user and the group that the process is about to become; None if it stays what it is
    :param sockets: the sockets that a service manager has opened for this process: the name of each, by its descriptor
    :param is_managed: whether a service manager is told of this process
    :param stack: makes the calls that undo what was prepared, when the process ends, or when its start fails
    """

    def __init__(
        self,
        settings: Settings,
        identity: Identity | None,
        sockets: Mapping[int, str],
        stack: ExitStack,
        *,
        is_managed: bool,
    ) -> None:
        self.is_managed = is_managed
        self.settings = settings
        self.identity = identity
        self.sockets = sockets
        self.stack = stack
