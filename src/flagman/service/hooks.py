"""What the service lets the command do for it, since no other part may."""

from __future__ import annotations

from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.config.settings import Settings
    from flagman.engine.engine import Engine
    from flagman.systemd.more_time import MoreTime


class Hooks:
    """What only the command may do for a run: read arguments and set up the log. This one does neither."""

    def watch(self, engine: Engine) -> None:
        """Learn whose actions the log tells about."""

    def ready(self) -> None:
        """Learn that all is ready.

        :raises FlagmanError: if it is not, though
        """

    def read(self, more_time: MoreTime) -> Settings:  # noqa: ARG002 - for those that do read
        """Read the settings again.

        :param more_time: is told what takes its time
        :raises UsageError: if they are wrong
        """
        raise UsageError("there are no settings to be read")

    def change_log(self, before: Settings, after: Settings) -> None:
        """Write the log as other settings say.

        :raises UsageError: if it cannot be written so; then nothing has changed
        :raises OSError: likewise
        """
