"""The process around a run: in the background or not, its user, its root, its directory, its streams, its pid file."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from flagman.actions import environment
from flagman.daemon import descriptors
from flagman.daemon.daemon import Daemon
from flagman.exceptions import UsageError
from flagman.places import working_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn, Self

    from flagman.engine.signals import Signals
    from flagman.settings import Settings

_UMASK = 0o077
# The signals of who does not want to wait for the daemon any longer.
_IMPATIENCE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# What parts of flagman and of Python import when they need it; in another root it could not be found any more.
_LATE = (
    "base64",
    "datetime",
    "difflib",
    "encodings.idna",
    "inspect",
    "ipaddress",
    "json",
    "logging.config",
    "logging.handlers",
    "random",
    "shlex",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "tomllib",
)
# Parts that are not for a daemon.
_NOT_OURS = ("__main__", "ctl", "scaffold", "templates", "testing", "unit_command", "unit_files", "unit_syntax")


class _Process(Daemon):
    """The stages, where they differ from those of other daemons."""

    _PREFIX = "flagman: error: "

    def __init__(self, *, detach: bool) -> None:
        super().__init__(detach=detach, umask=None, working_directory=None, prevent_core=detach)
        #: What whoever has started this command has let it ignore.
        self.ignored: set[int] = set()
        # Until the engine has its own: the pid file is to be removed.
        self.signal_map = dict.fromkeys((signal.SIGINT, signal.SIGTERM), _give_up)

    def monitor(self) -> None:
        for signum in _IMPATIENCE:
            if signum not in self.ignored:  # as under nohup(1)
                signal.signal(signum, _give_up)
        super().monitor()
        for signum in _IMPATIENCE:
            signal.signal(signum, signal.SIG_IGN)  # it is over, and only remains to be told

    def report(self) -> NoReturn:
        """Print and exit; what plugins want to be done at an exit is the daemon's business."""
        try:
            super().report()
        except SystemExit as exit_:
            os._exit(int(exit_.code or 0))

    def close_descriptors(self) -> None:
        """Close what came from whoever has started this command; what a plugin has opened is its own."""
        if self.detached:
            self.inherit_files = tuple(number for number in self._inheritance if _is_own(number))
            super().close_descriptors()


class Surroundings:
    """What settings say about the process; a context manager, which cleans up at the end.

    :param detach: go into the background, at once: this returns in the daemon; its parent ends when that is ready
    :param signals: armed in this process
    :raises DaemonError: if it cannot
    """

    def __init__(self, signals: Signals, *, detach: bool) -> None:
        self._process = _Process(detach=detach)
        self._process.ignored = set(filter(signals.was_ignored, (signal.SIGHUP, signal.SIGQUIT)))
        self._opened: list[int] = []
        self._is_ready = False
        #: Where relative paths of options begin, once this has been entered.
        self.directory = ""
        with suppress(OSError):  # it may have been deleted
            self.directory = working_directory()
        #: Where the configuration file is then.
        self.config = ""
        self._process.advance("detach")
        if detach:
            signals.renew()

    def enter(self, settings: Settings) -> None:
        """Run all stages but the last; the standard streams stay until all is ready.

        :raises UsageError: if the file could not be read again
        :raises FlagmanError: if a stage fails
        :raises OSError: likewise
        """
        process = self._process
        self.config = self._absolute(settings.config)
        if settings.chroot is not None:
            self._move(settings, settings.chroot)
        self.place(settings)
        if settings.chroot is not None or settings.user is not None:
            _import_all()  # another user may not be able to read the interpreter's files either
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
        process.advance("close_descriptors")
        if settings.stdout is not None:
            process.stdout = self._open(settings.stdout, descriptors.STDOUT)
        if settings.stderr is not None:
            process.stderr = self._open(settings.stderr, descriptors.STDERR)

    def place(self, settings: Settings) -> None:
        """Let the paths of options mean what they meant where the command was started, wherever it is by then."""
        for name in ("log_file", "stdout", "stderr", "chdir"):
            path = getattr(settings, name)
            if path:
                setattr(settings, name, self._absolute(path))

    def _absolute(self, path: str) -> str:
        if path and not self.directory and not os.path.isabs(path):  # noqa: PTH117 - as above
            raise UsageError(f"{path!r} is not an absolute path, and the current directory does not exist any more")
        return os.path.join(self.directory, path) if path else ""  # noqa: PTH118 - as above

    def _move(self, settings: Settings, root: str) -> None:
        """Get ready for another root."""
        root = os.path.realpath(root).rstrip("/")
        self.directory = "/"
        path = os.path.realpath(settings.config) if settings.config else ""
        if path.startswith(f"{root}/"):
            self.config = path.removeprefix(root)
        elif settings.reloads():
            raise UsageError(
                f"the action 'reload' cannot read {settings.config} again: it is outside of --chroot {root}"
            )

    def _open(self, path: str, descriptor: int) -> int:
        self._opened.append(descriptors.open_stream(path, descriptor))
        return self._opened[-1]

    def ready(self) -> None:
        """Redirect the standard streams, and let whoever waits know that all is well."""
        if self._is_ready:
            return
        self._process.advance()
        for descriptor in self._opened:
            os.close(descriptor)
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


def _is_own(descriptor: int) -> bool:
    """Tell a descriptor that was opened in this process: what an exec(2) has left open has not this flag."""
    with suppress(OSError):
        return not os.get_inheritable(descriptor)
    return False


def _import_all() -> None:
    import pkgutil  # noqa: PLC0415 - for another root alone, as all here
    from importlib import import_module  # noqa: PLC0415

    import flagman  # noqa: PLC0415

    for name in _LATE:
        with suppress(ImportError):  # a part of Python that this one has not
            import_module(name)
    for module in pkgutil.walk_packages(flagman.__path__, "flagman."):
        if module.name.split(".")[1] not in _NOT_OURS and not module.ispkg:
            with suppress(ImportError):
                import_module(module.name)
