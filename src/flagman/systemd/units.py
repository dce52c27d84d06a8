"""Units for systemd that run exactly what a command line says, for ``--print-unit``."""

from __future__ import annotations

import math
import re
import shlex
import signal
from pathlib import Path
from tempfile import NamedTemporaryFile

from flagman.config.naming import name_of
from flagman.engine.titles import HIDDEN
from flagman.exceptions import FlagmanError, UsageError
from flagman.systemd import unit_command, unit_syntax, unit_timer
from flagman.text import signames
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagman.config.settings import Settings
    from flagman.types import SignalNumber

# Seconds that a command may take beyond its timeout, and seconds that the manager allows beyond all known limits.
_GRACE = 5.0
_MARGIN = 15.0
# Characters: systemd accepts at most 255 in the name of a unit, and that of the timer is longer than this one.
_LONGEST_NAME = 200
# Where systemd looks for units: that of the system, and that of a user.
_FOLDERS = {False: "/etc/systemd/system", True: "~/.config/systemd/user"}
# Seconds.
_SHORTEST_WATCHDOG = 30


def lines(settings: Settings, given: Settings) -> Iterator[str]:
    """Yield the lines of all units, each file after a comment with its path; secret arguments are not shown.

    :param settings: all settings that hold
    :param given: the settings of the command line alone
    :raises UsageError: if no unit can run these settings
    """
    is_whole = not any(HIDDEN in binding.concealed().arguments for binding in given.bindings)
    if not is_whole:
        yield f"# This unit cannot be used as it stands: {HIDDEN} stands for an argument that may be secret."
        yield "# --print-unit --into DIR writes the whole unit, to a file that only its owner can read."
        given = given.concealed()
    writer = _Writer(settings, unit_command.Command(settings, given))
    for number, (unit, content) in enumerate(writer.files().items()):
        yield from [""] * (number > 0)
        yield f"# {writer.folder}/{unit}"
        if is_whole and (command := writer.enabling(unit)) is not None:
            yield f"# Save it there, then run: {command}"
        yield ""
        yield from content


def write(settings: Settings, given: Settings) -> Iterator[str]:
    """Write all units to the directory of ``--into``; yield their paths, and the command that enables them.

    Each file is replaced as a whole, and only its owner can read it: an argument may be a secret.

    :param settings: as above
    :param given: as above
    :raises UsageError: if no unit can run these settings
    :raises FlagmanError: if a file cannot be written
    """
    writer = _Writer(settings, unit_command.Command(settings, given))
    files = writer.files()
    directory = Path(settings.into)
    if not directory.is_dir():
        raise FlagmanError(f"--into: {settings.into!r} is not a directory")
    if settings.user is None and directory.resolve() == Path(_FOLDERS[True]).expanduser().resolve():
        raise UsageError(f"--into: {_FOLDERS[True]} is for units of your own systemd; for such a unit, add --user")
    for unit, content in files.items():
        path = directory / unit
        try:
            _replace(path, "\n".join([*content, ""]))
        except OSError as error:
            raise FlagmanError(f"--into: cannot write {str(path)!r}: {error.strerror}") from error
        yield str(path)
    is_home = directory.expanduser().resolve() == Path(writer.folder).expanduser().resolve()
    commands = [writer.enabling(unit, "" if is_home else directory.resolve()) for unit in files]
    yield f"Next: {' && '.join(filter(None, commands))}"


def _replace(path: Path, text: str) -> None:
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


class _Writer:
    """Writes units.

    :param settings: all settings that hold
    :param command: the daemon's command line
    """

    def __init__(self, settings: Settings, command: unit_command.Command) -> None:
        if not settings.systemd:
            raise UsageError("--print-unit cannot be used with --no-systemd: systemd would wait for READY=1 for ever")
        self._settings = settings
        self._command = command
        file = Path(settings.config).name
        # Not Path.stem, which is another one for names that begin with dots since Python 3.14.
        stem = re.sub(r"[^\w.-]", "-", file.rpartition(".")[0] or file, flags=re.ASCII)
        self._name = stem.strip("-.")[:_LONGEST_NAME] or "flagman"
        self._is_users = settings.user == ""
        self._systemctl = "systemctl --user" if self._is_users else "systemctl"

        #: Where systemd looks for the units.
        self.folder = _FOLDERS[self._is_users]

    def files(self) -> dict[str, list[str]]:
        """Return the lines of all units, by their names."""
        files = {f"{self._name}.service": list(self._service())}
        if self._settings.timer:
            name = signames.name_of(self._signal_of_timer())
            unit = f"{self._name}-{name.lower().replace('+', '-')}"
            files[f"{unit}.service"] = list(self._sender(name))
            files[f"{unit}.timer"] = list(self._timer(name, self._settings.timer))
        return files

    def enabling(self, unit: str, directory: str | Path = "") -> str | None:
        """Return the command that enables and starts a unit; None if another unit starts it.

        :param directory: where it is, if that is not where systemd looks for it
        """
        if unit != f"{self._name}.service" and not unit.endswith(".timer"):
            return None
        place = shlex.quote(str(Path(directory, unit)))
        return f"{self._systemctl} daemon-reload && {self._systemctl} enable --now {place}"

    def _service(self) -> Iterator[str]:
        """Yield the lines of the daemon's unit."""
        yield "[Unit]"
        yield f"Description={unit_syntax.text(f'flagman ({self._settings.summary()})')}"
        yield ""
        yield "[Service]"
        yield "# A start returns when all actions are set up. Only flagman itself may notify systemd, not its commands."
        yield "Type=notify"
        yield "NotifyAccess=main"
        yield "# Relative paths, in arguments and in files, start at the same directory as when this unit was printed."
        yield f"WorkingDirectory={unit_syntax.path(unit_command.directory())}"
        for name, value in self._command.environment.items():
            yield f"Environment={unit_syntax.variable(name, value)}"
        for program in self._command.lacking:
            yield "# systemd's PATH lacks a program of the configuration file, or has another one of that name."
            yield f"# In the file, write: {printable(program)}"
        yield f"ExecStart={unit_syntax.command(self._command.words())}"
        yield from self._runtime_directory()
        yield from self._reload()
        yield "# TERM goes only to flagman, so that the running action and its commands can finish in the stop timeout."
        yield "KillMode=mixed"
        yield f"TimeoutStopSec={math.ceil(self._longest_stop() + _MARGIN)}"
        yield from self._restart()
        yield from self._watchdog()
        yield from self._hardening()
        yield ""
        yield "[Install]"
        yield f"WantedBy={'default' if self._is_users else 'multi-user'}.target"

    def _restart(self) -> Iterator[str]:
        if self._settings.command:
            yield "# The exit status is that of the command; with 143 it has ended by TERM, as it was asked to."
        else:
            yield "# Status 2 is a mistake in the command line or in the file, which a restart cannot correct."
        yield "Restart=on-failure"
        yield "RestartSec=1"
        yield "SuccessExitStatus=143" if self._settings.command else "RestartPreventExitStatus=2"

    def _runtime_directory(self) -> Iterator[str]:
        if self._settings.control is True:
            yield "# Here flagman binds its control socket; flagmanctl looks for it in all directories below flagman."
            yield f"RuntimeDirectory=flagman/{name_of(self._settings)}"

    def _longest_stop(self) -> float:
        """Return the seconds that a stop may take: for the running action, those of TERM, and every tear_down."""
        last = [binding for binding in self._settings.bindings if signal.SIGTERM in binding.source.signals()]
        actions = max(self._settings.stop_timeout, 1) * (1 + len(last) + len(self._settings.bindings))
        return actions + (self._settings.graceful_time if self._settings.command else 0)

    def _reload(self) -> Iterator[str]:
        settings = self._settings
        reloads = [signum for binding in settings.reloads() for signum in binding.source.signals()]
        is_free = signal.SIGHUP not in settings.by_signal() and not settings.passes_on()
        if settings.config and settings.chroot is None and is_free:
            reloads.append(signal.SIGHUP)  # there is no terminal
        if reloads:
            yield "# The second command makes a reload fail if the file is wrong; the daemon keeps its configuration."
            yield "# The reload waits for a running action, but systemctl does not; from systemd 259 on, systemctl"
            yield "# waits only for these commands. To make it wait in any case, if HUP reloads and systemd is 253"
            yield "# or newer, use Type=notify-reload instead of these two lines."
            yield f"ExecReload={_kill(reloads[0])}"
            yield f"ExecReload={unit_syntax.command(self._command.words('--check'))}"
        elif signal.SIGHUP in settings.by_signal():
            yield "# A reload returns when the signal has been sent, not when the actions have run."
            yield f"ExecReload={_kill(signal.SIGHUP)}"

    def _watchdog(self) -> Iterator[str]:
        longest = self._longest_turn()
        if longest is None:
            yield "# Without a --timeout for every action, systemd cannot tell a daemon that hangs from a busy one."
            yield "# With it, add a line such as this, longer than any run can take:"
            yield "# WatchdogSec=1min"
            return
        yield "# Longer than any run can take; after so much silence systemd restarts flagman."
        # The daemon reports at every third of this span, except while a bundle runs.
        yield f"WatchdogSec={max(math.ceil(1.5 * longest + _MARGIN), _SHORTEST_WATCHDOG)}"

    def _longest_turn(self) -> float | None:
        """Return the seconds that the slowest bundle may take; None if it may take any time."""
        turns: dict[str, float] = {}
        for binding in self._settings.bindings:
            timeout = self._settings.of(binding).timeout
            timeout = binding.action.default_timeout if timeout is None else timeout
            if timeout is None:
                return None
            turns[binding.flag] = turns.get(binding.flag, 0) + timeout + _GRACE
        return max(turns.values(), default=0)

    def _hardening(self) -> Iterator[str]:
        yield "# These also restrict the commands of actions. Remove a line that they cannot work with; sudo needs the"
        yield "# first one removed."
        yield "NoNewPrivileges=yes"
        yield "LockPersonality=yes"
        yield "RestrictRealtime=yes"
        yield "RestrictSUIDSGID=yes"
        yield "SystemCallArchitectures=native"
        if not self._is_users:
            for name in ("Clock", "ControlGroups", "Hostname", "KernelLogs", "KernelModules", "KernelTunables"):
                yield f"Protect{name}=yes"
            yield "# If the actions write only to a few places, try these, too:"
            yield "# ProtectSystem=strict"
            yield "# ReadWritePaths="
            yield "# ProtectHome=yes"
            yield "# PrivateTmp=yes"

    def _sender(self, name: str) -> Iterator[str]:
        """Yield the lines of the service that a timer starts, which sends a signal to the daemon."""
        yield "[Unit]"
        yield f"Description=Send {name} to {self._name}.service"
        yield "# This service waits until the daemon is ready, and does nothing if the daemon does not run."
        yield f"Requisite={self._name}.service"
        yield f"After={self._name}.service"
        yield ""
        yield "[Service]"
        yield "Type=oneshot"
        yield "# The signal goes only to the main process, because it may end the commands that this process runs."
        yield "# Before systemd 252 the option is --kill-who=main."
        systemctl = [unit_command.system_program("systemctl"), *(["--user"] if self._is_users else [])]
        kill = [*systemctl, "kill", "--kill-whom=main", f"--signal={name}", f"{self._name}.service"]
        yield f"ExecStart={unit_syntax.command(kill)}"

    def _timer(self, name: str, spec: str) -> Iterator[str]:
        """Yield the lines of a timer."""
        yield "[Unit]"
        yield f"Description=Send {name} to {self._name}.service again and again"
        yield f"BindsTo={self._name}.service"
        yield ""
        yield "[Timer]"
        yield from unit_timer.moments(spec)
        yield ""
        yield "[Install]"
        yield f"WantedBy={self._name}.service"

    def _signal_of_timer(self) -> SignalNumber:
        """Return the first signal that runs something, else one that only reloads, and never one that stops."""
        bindings = self._settings.bindings
        ends = [signum for each in bindings if each.name == "stop" for signum in each.source.signals()]
        stopping = {signal.SIGTERM, signal.SIGINT, *ends}
        bound = [
            (each.name == "reload", position, signum)
            for position, each in enumerate(bindings)
            for signum in each.source.signals()
            if signum not in stopping
        ]
        if not bound:
            raise UsageError("--timer needs an action bound to a signal that does not stop the daemon, such as USR1")
        return min(bound)[2]


def _kill(signum: SignalNumber) -> str:
    kill = unit_syntax.command([unit_command.system_program("kill"), f"-{signames.name_of(signum)}"])
    return f"{kill} $MAINPID"
