"""The process around a run: in the background or not, its user, its root, its directory, its streams, its pid file."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from flagman.children import environment
from flagman.config.options import OPTIONS
from flagman.config.paths import Start, below
from flagman.config.values import Path
from flagman.daemon import descriptors
from flagman.daemon.daemon import Daemon
from flagman.exceptions import UsageError
from flagman.log import standard_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType
    from typing import NoReturn, Self

    from flagman.config.settings import Settings
    from flagman.daemon.privileges import Identity
    from flagman.engine.signals import Signals

_UMASK = 0o077
# Signals that end the wait for the daemon to be ready.
_IMPATIENCE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class _Process(Daemon):
    """A daemon, with the stages that flagman needs to be different."""

    _PREFIX = "flagman: error: "
    _INHERITS_EXITS = True  # a plugin may have been imported

    def __init__(self, *, detach: bool) -> None:
        super().__init__(detach=detach, umask=None, working_directory=None, prevent_core=detach)
        #: The signals that were ignored when this command was started.
        self.ignored: set[int] = set()
        # Until the engine has its own handlers: these exit, so that the pid file is removed.
        self.signal_map = dict.fromkeys((signal.SIGINT, signal.SIGTERM), _give_up)
        #: The files of the log and the streams; and descriptors of those that root could open, but the user cannot.
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
        except SystemExit:  # the wait was ended: the output so far may tell why
            descriptors.say(descriptors.STDOUT, self.output)
            descriptors.say(descriptors.STDERR, self._detachment.error)
            raise
        for signum in _IMPATIENCE:
            signal.signal(signum, signal.SIG_IGN)  # the wait is over, and only the result is left to report

    @property
    def error(self) -> str:
        """The error output of the daemon; its mistakes have a priority if it is passed on to the journal."""
        from flagman.log.setup import error_prefix  # noqa: PLC0415 - only to wait for the daemon

        begins = (self._PREFIX, f"{error_prefix()}{self._PREFIX}")
        lines = super().error.splitlines(keepends=True)
        return "".join(line.replace(*begins, 1) if line.startswith(self._PREFIX) else line for line in lines)

    def report(self) -> NoReturn:
        """Print and exit, without the exit handlers of plugins, which belong to the daemon."""
        try:
            super().report()
        except SystemExit as exit_:
            os._exit(int(exit_.code or 0))

    @property
    def identity(self) -> Identity | None:
        """What the process is going to become, once the pid file is taken; None if it stays what it is."""
        return self._identity

    def drop_privileges(self) -> None:
        """Open the files that only root may open, while this process still runs as root."""
        identity = self._identity
        if identity is not None and identity.uid != 0 and os.geteuid() == 0:
            from flagman.daemon.directory import open_for  # noqa: PLC0415 - only if the user changes

            mode = 0o666 & ~(_current_umask() if self.umask is None else self.umask)
            for path in self.files:
                descriptor = open_for(path, identity.uid, identity.gid, mode)
                if descriptor is not None:
                    self.opened[path] = descriptor
        super().drop_privileges()

    def streams(self) -> dict[int, int]:
        """Return copies of the descriptors that the standard streams are going to lead to, by the streams."""
        null: int | str = self._null if self._null >= 0 else os.devnull
        found = {}
        for number, stream in enumerate((self.stdin, self.stdout, self.stderr)):
            if isinstance(stream, int):
                found[number] = descriptors.copy(stream)
            elif self.detached:
                found[number] = descriptors.copy(null) if isinstance(null, int) else os.open(null, os.O_RDWR)
        return found

    def close_descriptors(self) -> None:
        """Close descriptors that were open when this command was started, but none that a plugin has opened."""
        if self.detached:
            self.inherit_files = tuple(number for number in self._inheritance if _is_own(number))
            super().close_descriptors()


class OwnProcess:
    """What settings say about the process; a context manager, which cleans up at the end.

    :param signals: the signal handlers that are armed in this process
    :param detach: go into the background in :meth:`begin`
    """

    def __init__(self, signals: Signals, *, detach: bool) -> None:
        self._process = _Process(detach=detach)
        self._signals = signals
        self._process.ignore(filter(signals.was_ignored, (signal.SIGHUP, signal.SIGQUIT)))
        self._opened: dict[str, int] = {}
        # The paths of the files that standard streams lead to, by the names of the streams.
        self._rotated: dict[str, str] = {}
        self._is_ready = False
        self._start = Start()
        #: The path of the configuration file in this process, after :meth:`enter`.
        self.config = ""
        #: Whether that file is outside of the new root directory.
        self.is_out_of_reach = False

    def begin(self) -> None:
        """Run the first stages. A process that detaches FORKS here: this returns in the daemon alone.

        The calling process waits, and exits when the daemon is ready or has failed.

        :raises DaemonError: if it cannot detach
        """
        self._process.advance("detach")
        if self._process.detached:
            self._signals.renew()

    def enter(self, settings: Settings, prepare: Callable[[Identity | None], object]) -> Settings:
        """Run all stages but the last; the standard streams stay until all is ready.

        :param prepare: called when the pid file is taken, and nothing has been given up yet, with what the process is
            going to become
        :returns: the settings with paths that mean the same from here on
        :raises UsageError: if the configuration file could not be read again
        :raises FlagmanError: if a stage fails
        :raises OSError: likewise
        """
        process = self._process
        self.config = self._start.absolute(settings.config)
        names: tuple[str, ...] = ()
        if settings.chroot is not None:
            names = self._move(settings, settings.chroot)
        settings = self.placed(settings)
        if settings.chroot is not None or settings.user is not None:
            from flagman.service.late_imports import import_all  # noqa: PLC0415 - only for these two

            # Another user may not be able to read the interpreter's files either.
            import_all(
                files=bool(settings.config) or any(binding.source.has_path for binding in settings.bindings),
                control=bool(settings.control),
                command=bool(settings.command),
            )
            environment.remember()
        if settings.pid_file:
            process.pid_file = settings.pid_file
            process.name = os.path.splitext(os.path.basename(settings.pid_file))[0]  # noqa: PTH119, PTH122 - pathlib costs 5 ms
        else:
            process.name = "flagman"
        process.user = settings.user
        process.group = settings.group
        process.chroot = settings.chroot
        process.umask = _UMASK if settings.umask is None and process.detached else settings.umask
        process.working_directory = settings.chdir or ("/" if process.detached else None)
        files = filter(None, (settings.log_file, settings.runlog, settings.stdout, settings.stderr))
        process.files = [path for path in dict.fromkeys(files) if standard_streams.standard(path) is None]
        process.advance("take_pid_file")
        prepare(process.identity)
        process.advance("change_root")
        if settings.config and settings.chroot is not None:
            self._find(names)
        process.advance("close_descriptors")
        self._opened = process.opened
        process.stdout = self._stream(settings, descriptors.STDOUT)
        process.stderr = self._stream(settings, descriptors.STDERR)
        return settings

    def opened(self, path: str) -> int | None:
        """Return a descriptor of a file that only root could open, for the caller to close; before :meth:`ready`."""
        return descriptors.copy(self._opened[path]) if path in self._opened else None

    def streams(self) -> dict[int, int]:
        """Return copies of the descriptors that the standard streams are going to lead to, by the streams.

        A stream that stays as it is is not among them. The caller closes the copies; before :meth:`ready`.
        """
        return self._process.streams() if not self._is_ready else {}

    def placed(self, settings: Settings) -> Settings:
        """Return settings with absolute paths, which mean the same here as where the command was started."""
        options = [option for option in OPTIONS if isinstance(option.kind, Path) and not option.kind.is_outside]
        paths = {option.setting: getattr(settings, option.setting) for option in options}
        options_ = {name: self._start.absolute(path) for name, path in paths.items() if path}
        return settings.changed(**options_).placed(self._start.absolute)

    def _move(self, settings: Settings, root: str) -> tuple[str, ...]:
        """Get ready for another root; return the names that the configuration file may have there, the best first."""
        root = os.path.realpath(root).rstrip("/")
        self._start.directory = "/"
        if not settings.config:
            return ()
        # First the name as it was given: a link may lead to another file by the time it is read again.
        names = list(below(self.config, root))
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
        self.is_out_of_reach = True

    def _stream(self, settings: Settings, number: int) -> int | None:
        """Return the descriptor that a standard stream has to lead to; None if it stays as it is."""
        paths = {descriptors.STDOUT: settings.stdout, descriptors.STDERR: settings.stderr}
        path = paths[number]
        named = standard_streams.standard(path)
        if named not in (None, number) and paths[named] is not None and standard_streams.standard(paths[named]) is None:
            path, named = paths[named], None  # the other one leads to a file, so this one leads there, too
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
        """Redirect the standard streams, and report to the waiting process that all is well."""
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
            from flagman.daemon import crash  # noqa: PLC0415 - only for a crash

            crash.record(self._process.name, error)
        self._process.let_go()


def _give_up(signum: int, _frame: FrameType | None) -> None:
    """Exit, with all clean-up, from the wait for the daemon or from its start."""
    raise SystemExit(128 + signum)


def _current_umask() -> int:
    mask = os.umask(_UMASK)
    os.umask(mask)
    return mask


def _is_own(descriptor: int) -> bool:
    """Return whether a descriptor was opened in this process: one that an exec(2) has left open is inheritable."""
    with suppress(OSError):
        return not os.get_inheritable(descriptor)
    return False
