"""The process around a run: in the background or not, its user, its root, its directory, its streams, its pid file."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from flagman.children import environment
from flagman.config.options import OPTIONS
from flagman.config.paths import working_directory
from flagman.config.values import Path
from flagman.daemon import descriptors
from flagman.daemon.daemon import Daemon
from flagman.exceptions import UsageError
from flagman.log import standard_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType
    from typing import NoReturn, Self

    from flagman.config.settings import Settings
    from flagman.engine.signals import Signals

_UMASK = 0o077
# Signals that end the wait for the daemon to be ready.
_IMPATIENCE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class _Process(Daemon):
    """The stages, where they differ from those of other daemons."""

    _PREFIX = "flagman: error: "
    _INHERITS_EXITS = True  # a plugin may have been imported

    def __init__(self, *, detach: bool) -> None:
        super().__init__(detach=detach, umask=None, working_directory=None, prevent_core=detach)
        #: The signals that were ignored when this command was started.
        self.ignored: set[int] = set()
        # Until the engine has its own: the pid file is to be removed.
        self.signal_map = dict.fromkeys((signal.SIGINT, signal.SIGTERM), _give_up)
        #: The files of the log and the streams, and those of them that the user cannot open, but root could.
        self.files: list[str] = []
        self.opened: dict[str, int] = {}

    def ignore(self, signums: Iterable[int]) -> None:
        """Leave these signals alone while the daemon starts."""
        self.ignored = set(signums)

    def monitor(self) -> None:
        for signum in _IMPATIENCE:
            if signum not in self.ignored:  # as under nohup(1)
                signal.signal(signum, _give_up)
        try:
            super().monitor()
        except SystemExit:  # nobody waits any longer: what has been said so far may tell why
            descriptors.say(descriptors.STDOUT, self.output)
            descriptors.say(descriptors.STDERR, self._detachment.error)
            raise
        for signum in _IMPATIENCE:
            signal.signal(signum, signal.SIG_IGN)  # it is over, and only remains to be told

    @property
    def error(self) -> str:
        """What the daemon has said, with the priority of its mistakes if it is passed on to the journal."""
        from flagman.log.setup import error_prefix  # noqa: PLC0415 - for the process that waits for the daemon

        begins = (self._PREFIX, f"{error_prefix()}{self._PREFIX}")
        lines = super().error.splitlines(keepends=True)
        return "".join(line.replace(*begins, 1) if line.startswith(self._PREFIX) else line for line in lines)

    def report(self) -> NoReturn:
        """Print and exit; what plugins want to be done at an exit is the daemon's business."""
        try:
            super().report()
        except SystemExit as exit_:
            os._exit(int(exit_.code or 0))

    def drop_privileges(self) -> None:
        """Open what only root may, before nobody here is root any more."""
        identity = self._identity
        if identity is not None and identity.uid != 0 and os.geteuid() == 0:
            from flagman.daemon.directory import open_for  # noqa: PLC0415 - for those who become somebody else

            mode = 0o666 & ~(_current_umask() if self.umask is None else self.umask)
            for path in self.files:
                descriptor = open_for(path, identity.uid, identity.gid, mode)
                if descriptor is not None:
                    self.opened[path] = descriptor
        super().drop_privileges()

    def close_descriptors(self) -> None:
        """Close what came from whoever has started this command; what a plugin has opened is its own."""
        if self.detached:
            self.inherit_files = tuple(number for number in self._inheritance if _is_own(number))
            super().close_descriptors()


class OwnProcess:
    """What settings say about the process; a context manager, which cleans up at the end.

    :param signals: armed in this process
    :param detach: go into the background in :meth:`begin`
    """

    def __init__(self, signals: Signals, *, detach: bool) -> None:
        self._process = _Process(detach=detach)
        self._signals = signals
        self._process.ignore(filter(signals.was_ignored, (signal.SIGHUP, signal.SIGQUIT)))
        self._opened: dict[str, int] = {}
        # By the names of standard streams.
        self._rotated: dict[str, str] = {}
        self._is_ready = False
        #: Leads to the log file, if only root could open that.
        self.log: int | None = None
        #: Where relative paths of options begin, once this has been entered.
        self.directory = ""
        with suppress(OSError):  # it may have been deleted
            self.directory = working_directory()
        #: Where the configuration file is then.
        self.config = ""

    def begin(self) -> None:
        """Run the first stages. A process that detaches FORKS here: this returns in the daemon alone.

        The process that has called it waits, and exits when the daemon is ready or has failed.

        :raises DaemonError: if it cannot detach
        """
        self._process.advance("detach")
        if self._process.detached:
            self._signals.renew()

    def enter(self, settings: Settings) -> Settings:
        """Run all stages but the last; the standard streams stay until all is ready.

        :returns: the settings with paths that mean the same from here on
        :raises UsageError: if the file could not be read again
        :raises FlagmanError: if a stage fails
        :raises OSError: likewise
        """
        process = self._process
        self.config = self._absolute(settings.config)
        names: tuple[str, ...] = ()
        if settings.chroot is not None:
            names = self._move(settings, settings.chroot)
        settings = self.placed(settings)
        if settings.chroot is not None or settings.user is not None:
            from flagman.service.late_imports import import_all  # noqa: PLC0415 - for these two alone

            import_all()  # another user may not be able to read the interpreter's files either
            environment.remember()
        if settings.pid_file:
            process.pid_file = settings.pid_file
            process.name = os.path.splitext(os.path.basename(settings.pid_file))[0]  # noqa: PTH119, PTH122 - as above
        else:
            process.name = "flagman"
        process.user = settings.user
        process.group = settings.group
        process.chroot = settings.chroot
        process.umask = _UMASK if settings.umask is None and process.detached else settings.umask
        process.working_directory = settings.chdir or ("/" if process.detached else None)
        files = filter(None, (settings.log_file, settings.stdout, settings.stderr))
        process.files = [path for path in dict.fromkeys(files) if standard_streams.standard(path) is None]
        process.advance("change_root")
        self._find(names)
        process.advance("close_descriptors")
        self._opened = process.opened
        if settings.log_file in self._opened:
            self.log = descriptors.copy(self._opened[settings.log_file])
        process.stdout = self._stream(settings, descriptors.STDOUT)
        process.stderr = self._stream(settings, descriptors.STDERR)
        return settings

    def placed(self, settings: Settings) -> Settings:
        """Give settings whose paths mean what they meant where the command was started, wherever this process is."""
        options = [option for option in OPTIONS if isinstance(option.kind, Path) and not option.kind.is_outside]
        paths = {option.setting: getattr(settings, option.setting) for option in options}
        return settings.changed(
            **{name: self._absolute(path) for name, path in paths.items() if path},
            bindings=tuple(binding.placed(self._absolute) for binding in settings.bindings),
        )

    def _absolute(self, path: str) -> str:
        if path and not self.directory and not os.path.isabs(path):  # noqa: PTH117 - as above
            raise UsageError(f"{path!r} is not an absolute path, and the current directory does not exist any more")
        return os.path.join(self.directory, path) if path else ""  # noqa: PTH118 - as above

    def _move(self, settings: Settings, root: str) -> tuple[str, ...]:
        """Get ready for another root; give the names that the configuration file may have there, the best first."""
        root = os.path.realpath(root).rstrip("/")
        self.directory = "/"
        if not settings.config:
            return ()
        # As it is called: a link may lead to another file by the time it is read again.
        names = list(_below(self.config, root))
        path = os.path.realpath(self.config)
        if path.startswith(f"{root}/"):
            names.append(path.removeprefix(root))
        elif settings.reloads():
            raise UsageError(
                f"the action 'reload' cannot read {settings.config} again: it is outside of --chroot {root}"
            )
        self._status = os.stat(self.config)  # noqa: PTH116 - as above
        return tuple(names)

    def _find(self, names: tuple[str, ...]) -> None:
        """Find the configuration file, in the new root, by a name that leads to the same file there."""
        for name in names:
            with suppress(OSError):
                if os.path.samestat(os.stat(name), self._status):  # noqa: PTH116 - as above
                    self.config = name
                    return

    def _stream(self, settings: Settings, number: int) -> int | None:
        """Give the descriptor that a standard stream is to lead to; None if it is to lead where it leads anyway."""
        paths = {descriptors.STDOUT: settings.stdout, descriptors.STDERR: settings.stderr}
        path = paths[number]
        named = standard_streams.standard(path)
        if named not in (None, number) and paths[named] is not None and standard_streams.standard(paths[named]) is None:
            path, named = paths[named], None  # the other one leads to a file, and so does this
        if named is not None and named != number and not self._process.detached:
            self._opened[f"&{named}"] = descriptors.copy(named)
            return self._opened[f"&{named}"]
        if path is None or named is not None:
            return None
        if path not in self._opened:
            self._opened[path] = descriptors.open_stream(path, number)
        self._rotated[("", "stdout", "stderr")[number]] = path
        return self._opened[path]

    def ready(self) -> None:
        """Redirect the standard streams, and let whoever waits know that all is well."""
        if self._is_ready:
            return
        self._process.advance()
        for descriptor in self._opened.values():
            os.close(descriptor)
        for name, path in self._rotated.items():
            standard_streams.follow_rotation(name, path)
        self._process.ready()
        self._is_ready = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None and self._is_ready and self._process.detached:
            from flagman.daemon import crash  # noqa: PLC0415 - for this end alone

            crash.record(self._process.name, error)
        self._process.let_go()


def _give_up(signum: int, _frame: FrameType | None) -> None:
    """Leave what this process is doing, so that all is cleaned up: the wait for the daemon, or its start."""
    raise SystemExit(128 + signum)


def _below(path: str, root: str) -> Iterator[str]:
    """Give what a path may be called in another root, if it leads into that by its name."""
    parts = path.split("/")
    for end in range(1, len(parts)):
        with suppress(OSError):
            if os.path.samefile("/".join(parts[:end]) or "/", root or "/"):  # noqa: PTH121 - as above
                yield f"/{'/'.join(parts[end:])}"


def _current_umask() -> int:
    mask = os.umask(_UMASK)
    os.umask(mask)
    return mask


def _is_own(descriptor: int) -> bool:
    """Tell a descriptor that was opened in this process: what an exec(2) has left open has not this flag."""
    with suppress(OSError):
        return not os.get_inheritable(descriptor)
    return False
