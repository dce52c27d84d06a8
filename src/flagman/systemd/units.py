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
from flagman.systemd import unit_command, unit_limits, unit_syntax, unit_timer
from flagman.text import signames
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


class Needs:
    """What parts of a run need from its unit.

    :param time_to_stop: the seconds that a stop of them may take, after the actions of the stop signal
    :param programs: those of the file, beside those of its bindings
    """

    def __init__(self, time_to_stop: float, programs: Sequence[str]) -> None:
        self.time_to_stop = time_to_stop
        self.programs = programs


def lines(settings: Settings, given: Settings, needs: Needs) -> Iterator[str]:
    """Yield the lines of all units, each file after a comment with its path; secret arguments are not shown.

    :param settings: all settings that hold
    :param given: the settings of the command line alone
    :param needs: those of its parts
    :raises UsageError: if no unit can run these settings
    """
    is_whole = not any(HIDDEN in binding.concealed().arguments for binding in given.bindings)
    if not is_whole:
        yield f"# This unit cannot be used as it stands: {HIDDEN} stands for an argument that may be secret."
        yield "# --print-unit --into DIR writes the whole unit, to a file that only its owner can read."
        given = given.concealed()
    writer = _Writer(settings, unit_command.Command(settings, given, needs.programs), needs)
    for number, (unit, content) in enumerate(writer.files().items()):
        yield from [""] * (number > 0)
        yield f"# {writer.folder}/{unit}"
        if is_whole and (command := writer.enabling(unit)) is not None:
            yield f"# Save it there, then run: {command}"
        yield ""
        yield from content


def write(settings: Settings, given: Settings, needs: Needs) -> Iterator[str]:
    """Write all units to the directory of ``--into``; yield their paths, and the command that enables them.

    Each file is replaced as a whole, and only its owner can read it: an argument may be a secret.

    :param settings: as above
    :param given: as above
    :param needs: as above
    :raises UsageError: if no unit can run these settings
    :raises FlagmanError: if a file cannot be written
    """
    writer = _Writer(settings, unit_command.Command(settings, given, needs.programs), needs)
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
    :param needs: those of its parts
    """

    def __init__(self, settings: Settings, command: unit_command.Command, needs: Needs) -> None:
        if not settings.systemd:
            raise UsageError("--print-unit cannot be used with --no-systemd: systemd would wait for READY=1 for ever")
        self._settings = settings
        self._command = command
        self._needs = needs
        processes = settings.tables.get("process")
        self._processes = list(processes.values()) if isinstance(processes, dict) else []
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
            name = signames.name_of(unit_timer.signal_of(self._settings))
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
        what = "processes are ready, except optional ones" if self._processes else "actions are set up"
        yield f"# A start returns when all {what}. Only flagman itself may notify systemd."
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
        if self._processes:
            yield "# TERM goes only to flagman, which stops its processes in order, each within its graceful-time."
        else:
            yield "# TERM goes only to flagman, so that the running action can finish in the stop timeout."
        yield "KillMode=mixed"
        yield f"TimeoutStopSec={math.ceil(self._longest_stop() + _MARGIN)}"
        yield from self._restart()
        yield from self._watchdog()
        yield from unit_limits.lines(is_users=self._is_users, has_processes=bool(self._processes))
        yield ""
        yield "[Install]"
        yield f"WantedBy={'default' if self._is_users else 'multi-user'}.target"

    def _restart(self) -> Iterator[str]:
        if self._settings.command:
            yield "# The exit status is that of the command; with 143 it has ended by TERM, as it was asked to."
        elif self._passes_status_on():
            yield "# The exit status is that of an essential process, so status 2 need not be a mistake in the file."
        else:
            yield "# Status 2 is a mistake in the command line or in the file, which a restart cannot correct."
        yield "Restart=on-failure"
        yield "RestartSec=1"
        if self._settings.command:
            yield "SuccessExitStatus=143"
        elif not self._passes_status_on():
            yield "RestartPreventExitStatus=2"

    def _passes_status_on(self) -> bool:
        """Return whether the exit status may be that of a process."""
        return any(isinstance(table, dict) and table.get("essential") is True for table in self._processes)

    def _runtime_directory(self) -> Iterator[str]:
        if True in self._settings.control:
            yield "# Here flagman binds its control socket; flagmanctl looks for it in all directories below flagman."
            yield f"RuntimeDirectory=flagman/{name_of(self._settings)}"
        if self._settings.control_token:
            yield "# To pass the token as a credential, write --control-token ${CREDENTIALS_DIRECTORY}/token above, and"
            yield "# LoadCredential=token:FILE here."

    def _longest_stop(self) -> float:
        """Return the seconds that a stop may take: the running action, those of TERM, parts, and every tear_down."""
        last = [binding for binding in self._settings.bindings if signal.SIGTERM in binding.source.signals()]
        actions = max(self._settings.stop_timeout, 1) * (1 + len(last) + len(self._settings.bindings))
        return actions + self._needs.time_to_stop

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


def _kill(signum: SignalNumber) -> str:
    kill = unit_syntax.command([unit_command.system_program("kill"), f"-{signames.name_of(signum)}"])
    return f"{kill} $MAINPID"
