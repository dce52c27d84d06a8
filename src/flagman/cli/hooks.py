"""The hooks of the command: by these a run reads the file again, changes the log, and reports that it is ready."""

from __future__ import annotations

from contextlib import suppress

from flagman import core
from flagman.cli.reading import check_together, complete, finder, open_file
from flagman.config.options import OPTIONS
from flagman.engine import loggers
from flagman.exceptions import UsageError
from flagman.log import standard_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagman.config.paths import Start
    from flagman.config.rows import Option
    from flagman.config.settings import Settings
    from flagman.engine.action import Action
    from flagman.engine.engine import Engine
    from flagman.log.start import Log
    from flagman.service.own_process import OwnProcess
    from flagman.systemd.more_time import MoreTime
    from flagman.types import ActionName

logger = loggers.get("flagman.cli")


class Hooks:
    """The hooks by which a run calls back: to read the file again, to change the log, to report that it is ready.

    :param line: the settings of the command line
    :param first: the settings of the start
    :param terminal: whether the process had a controlling terminal before it changed its root directory
    """

    def __init__(
        self, line: Settings, first: Settings, log: Log, own_process: OwnProcess | None, *, terminal: bool = False
    ) -> None:
        self._line = line
        self.has_terminal = terminal
        self.is_out_of_reach = own_process is not None and own_process.is_out_of_reach
        self._lasting = {option.setting: getattr(first, option.setting) for option in OPTIONS if option.is_for_start}
        self._seen = dict(self._lasting)
        self._log = log
        self._own_process = own_process
        self._config = ""
        self._start: Start | None = None
        if own_process is not None:
            self._config = own_process.config
        elif line.config or any(binding.source.has_path for binding in first.bindings):
            from flagman.config.paths import Start  # noqa: PLC0415 - only if there is a path

            self._start = Start()
            with suppress(UsageError):  # the directory has been deleted
                # By its name, and not relative to the directory itself: another one may have that name by then.
                self._config = self._start.absolute(line.config)

    def find(self, name: ActionName) -> type[Action]:
        """Find an action, for an action that adds it by name."""
        return core.KNOWN_ACTIONS[name]

    @property
    def config(self) -> str:
        """The path of the configuration file in this process, absolute; empty if there is none."""
        return self._config

    def opened(self, path: str) -> int | None:
        """Return a descriptor of a file, which the caller closes, if only root could open that."""
        return self._own_process.opened(path) if self._own_process is not None else None

    def streams(self) -> Mapping[int, int]:
        """Return descriptors, by the standard streams that are going to lead to them."""
        return self._own_process.streams() if self._own_process is not None else {}

    def ready(self) -> None:
        """Take note that all is ready."""
        loggers.load()  # a failure, or an action that logs, may have no room for that later
        self._log.watch(self._engine)  # again: actions may have added handlers
        if self._own_process is not None:
            self._own_process.ready()

    def watch(self, engine: Engine) -> None:
        """Take the engine of the run."""
        self._engine = engine
        standard_streams.follow(engine.interrupter)
        self._log.watch(engine)

    def placed(self, settings: Settings) -> Settings:
        """Return the settings with absolute paths."""
        if self._own_process is not None:
            return self._own_process.placed(settings)
        return settings if self._start is None else settings.placed(self._start.absolute)

    def read(self, more_time: MoreTime) -> Settings:
        """Read the settings again."""
        core.KNOWN_ACTIONS.look_again()
        settings = complete(self._line, finder(more_time), open_file(self._line, self._config))
        settings = self.placed(settings)
        # "daemon" is another one where a manager watches this process.
        late = [o.key for o in OPTIONS if o.is_for_start and o.setting != "daemon" and self._differs(settings, o)]
        if late:
            logger.warning("%s: a change takes effect only after a restart", ", ".join(late))
        settings = settings.changed(**self._lasting)
        check_together(settings)
        return settings

    def _differs(self, settings: Settings, option: Option) -> bool:
        """Return whether an option is another one than at the start, and than at the last look."""
        value, before = getattr(settings, option.setting), self._seen[option.setting]
        self._seen[option.setting] = value
        return bool(value != before)

    def change_log(self, before: Settings, after: Settings) -> None:
        """Change the log from one set of settings to another."""
        from flagman.log import held, table  # noqa: PLC0415 - only for a reload

        table.change(before, after, held.level_of(after))
        self._log.watch(self._engine)
