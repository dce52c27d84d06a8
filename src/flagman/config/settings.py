"""What one run is told to do."""

from __future__ import annotations

from signal import SIGTERM
from types import MappingProxyType

from flagman.config.options import OPTIONS
from flagman.engine.flags import in_log
from flagman.exceptions import UsageError
from flagman.text.shown import counted, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal, NoReturn, Protocol, Self

    from flagman.config.binding import Binding
    from flagman.config.places import At
    from flagman.engine.choices import OnError, Output, Overlap
    from flagman.types import FlagName, SignalNumber

    class OfPart(Protocol):
        """What a part has read from its table of the file."""

        def placed(self, absolute: Callable[[str], str]) -> Self:
            """Return the same for a process in another working directory, as :meth:`Settings.placed` does."""

    #: Which processes of a command get signals.
    Forward = Literal["leader", "group", "none"]
    #: When a command that has ended is started again.
    Restart = Literal["never", "on-failure", "always"]


class Settings:
    """The options of one run, under the names that they have on the command line; they are never changed.

    Three are for the commands of one binding, see :meth:`of`: directory, environment and command_umask.

    :param values: the options that were given; all others have their defaults
    """

    #: All bindings, in the order in which they were given.
    bindings: tuple[Binding, ...] = ()
    #: The words of the command that flagman wraps; empty if there is none.
    command: tuple[str, ...] = ()
    #: See :class:`flagman.Engine`.
    overlap: Overlap
    #: See :class:`flagman.Engine`.
    on_error: OnError
    #: See :class:`flagman.Engine`.
    timeout: float | None
    #: See :class:`flagman.Engine`.
    max_failures: int
    #: See :class:`flagman.Engine`; :meth:`output_of_commands` says what holds if it is not given.
    output: Output
    #: Seconds by which timers may come later, at random.
    jitter: float
    #: Seconds of quiet after a signal before its bundle runs; 0 runs it at once.
    debounce: float
    #: Seconds between two looks at a file about which the kernel reports nothing.
    file_interval: float
    #: Run every bundle once when all is ready.
    run_at_start: bool
    #: Stop after the first bundle that has run.
    once: bool
    #: Seconds that the running action, and then each tear_down, may take after a request to stop.
    stop_timeout: float
    #: Exit with status 0 instead of 1 when all actions have closed.
    successful_empty: bool
    #: Tell systemd about this process.
    systemd: bool
    #: The name of this daemon; None for one that :func:`flagman.config.naming.name_of` finds.
    name: str | None
    #: Stay when all processes have ended.
    keep_alive: bool
    #: Start a second process that ends them if this one is killed.
    guardian: bool
    #: Where it can be asked.
    control: tuple[At, ...]
    #: The file with the token for the addresses; empty for none.
    control_token: str
    #: The mode of the control socket; None for the usual one.
    control_mode: int | None
    #: The group that may use the control socket, too.
    control_group: str | None
    #: The file with the process id, which no other process may hold; empty for none.
    pid_file: str
    #: Go into the background.
    daemon: bool
    #: The user to become; None for none, and empty for a unit of the user's own manager.
    user: str | None
    #: The group to become.
    group: str | None
    #: The file mode creation mask.
    umask: int | None
    #: The working directory, within the root.
    chdir: str | None
    #: The root directory.
    chroot: str | None
    #: Which processes of the command get signals.
    forward: Forward
    #: Seconds that the command has to end after a stop signal.
    graceful_time: float
    #: When the command is started again.
    restart: Restart
    #: What the command gets for the first stop signal; None for that signal.
    stop_signal: SignalNumber | None
    #: Exit statuses of the command that count as 0.
    success_exit_status: tuple[int, ...]
    #: Where standard output goes when all is ready.
    stdout: str | None
    #: Where standard error goes.
    stderr: str | None
    #: The file that metrics are kept in; empty for none.
    metrics_file: str
    #: The lowest level that is logged.
    log_level: str
    #: How records are written, see :mod:`flagman.log.setup`.
    log_format: str
    #: The file for the log; empty for stderr.
    log_file: str
    #: The file for the runs; empty for none.
    runlog: str
    #: Log critical messages only.
    quiet: bool
    #: 0 logs warnings, 1 also what is done, 2 also how.
    verbose: int
    #: List the known actions, or show the one with this name, instead of running.
    list: bool | str
    #: Check everything, but do not run.
    check: bool
    #: Run, but log what each action would do instead of doing it.
    dry_run: bool
    #: A directory with modules of actions; empty for none.
    pythonpath: str
    #: The configuration file; empty if there is none.
    config: str
    #: Print all settings as a configuration file instead of running.
    print_config: bool
    #: Print a unit for systemd instead of running.
    print_unit: bool
    #: With print_unit, the directory to write units to; empty to print them.
    into: str
    #: With print_unit, also print a timer that ticks at these moments; empty for none.
    timer: str
    #: The table [logging] of the file, for :func:`logging.config.dictConfig`.
    logging: dict[str, object] | None = None
    #: The table [settings] of the file, which belongs to actions; deeply read-only.
    for_actions: Mapping[str, object] = MappingProxyType({})
    #: The tables of parts, as the file says them.
    tables: Mapping[str, object] = MappingProxyType({})
    #: What parts have read from them, by table.
    of_parts: Mapping[str, OfPart] = MappingProxyType({})
    #: The working directory of commands; None for that of this process.
    directory: str | None = None
    #: Variables that are added to the environment of commands.
    environment: Mapping[str, str] = MappingProxyType({})
    #: The file mode creation mask of commands; None for that of this process.
    command_umask: int | None = None

    def __init__(self, **values: object) -> None:
        vars(self).update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"settings are never changed; changed({name}=...) gives others")

    def changed(self, **values: object) -> Settings:
        """Return the same settings with other values."""
        return Settings(**{**vars(self), **values})

    def placed(self, absolute: Callable[[str], str]) -> Settings:
        """Return the same settings, with triggers and tables for a process in another working directory.

        :param absolute: makes a path absolute
        """
        return self.changed(
            bindings=tuple(binding.placed(absolute) for binding in self.bindings),
            of_parts={name: table.placed(absolute) for name, table in self.of_parts.items()},
        )

    def output_of_commands(self) -> Output:
        """Return what becomes of the output of commands: a daemon logs it if its streams lead nowhere."""
        leads_nowhere = self.daemon and self.stdout is None and self.stderr is None
        return "log" if leads_nowhere and "output" not in vars(self) else self.output

    def concealed(self) -> Settings:
        """Return the same settings with ``***`` for each argument that is secret."""
        return self.changed(bindings=tuple(binding.concealed() for binding in self.bindings))

    def of(self, binding: Binding) -> Settings:
        """Return the settings that hold for one binding: its own options override the common ones."""
        settings = self.changed(**binding.options) if binding.options else self
        # A tick that comes too early says nothing against the run in progress.
        return (
            settings.changed(overlap="ignore") if binding.source.ticks and settings.overlap == "restart" else settings
        )

    def separated(self, binding: Binding) -> Binding:
        """Return a binding with a flag of its own if it has its own debounce or jitter: it runs at other moments."""
        name = binding.source.spread()
        span = binding.options.get(name)
        if not isinstance(span, float) or span == getattr(self, name):
            return binding
        from flagman.text.spans import format_span  # noqa: PLC0415 - only for bindings with their own options

        return binding.as_variant(format_span(span))

    def _check_restarts(self) -> None:
        """Refuse bindings with overlap=restart that cannot restart, or not together with others of the same flag."""
        overlaps: dict[FlagName, set[str]] = {}
        for binding in self.bindings:
            if binding.source.ticks and binding.options.get("overlap") == "restart":
                raise UsageError(f'{in_log(binding.title)}: overlap = "restart" is not for timers')
            overlaps.setdefault(binding.flag, set()).add(self.of(binding).overlap)
            if "restart" in overlaps[binding.flag] and len(overlaps[binding.flag]) > 1:
                raise UsageError(
                    f'{in_log(binding.title)}: overlap = "restart" has to stand in all of its bindings, or in none'
                )

    def by_signal(self) -> dict[SignalNumber, tuple[FlagName, ...]]:
        """Return the flags of each signal that has actions."""
        flags: dict[SignalNumber, dict[FlagName, None]] = {}
        for binding in self.bindings:
            for signum in binding.source.signals():
                flags.setdefault(signum, {})[binding.flag] = None
        return {signum: tuple(names) for signum, names in flags.items()}

    def reloads(self) -> tuple[Binding, ...]:
        """Return the bindings that reload the file."""
        return tuple(binding for binding in self.bindings if binding.name == "reload")

    def check_together(self) -> None:
        """Refuse settings that contradict each other, although each of them is valid.

        :raises UsageError: also if no action is bound, a reload is bound and there is no file, or a binding is about a
            process and there is none
        """
        if not self.bindings and not self.keeps_processes():
            if self.config:
                raise UsageError(
                    f"{self.config} binds no action; add a table [[on]] with the keys signal and action, or a table"
                    " [process.NAME] with the key command"
                )
            raise UsageError("no actions are configured; bind one, for example: flagman --usr1 print hello")
        if self.print_unit and self.print_config:
            raise UsageError("--print-unit and --print-config cannot be used together")
        if self.timer and not self.print_unit:
            raise UsageError("--timer can only be used with --print-unit")
        if self.into and not self.print_unit:
            raise UsageError("--into can only be used with --print-unit")
        if self.user == "" and not self.print_unit:
            raise UsageError("--user takes a NAME; only with --print-unit it may be left out")
        self._check_restarts()
        if "process" not in self.tables and any(b.processes() or b.source.processes() for b in self.bindings):
            from flagman.config.processes import check_names  # noqa: PLC0415 - only for a mistake

            check_names(self.bindings, ())
        if self.reloads() and not self.config:
            raise UsageError("the action 'reload' needs a configuration file; give one with --config")

    def time_to_stop(self) -> float:
        """Return how many seconds a running action has after a stop signal."""
        if not self.command or any(SIGTERM in binding.source.signals() for binding in self.bindings):
            return self.stop_timeout
        return min(self.stop_timeout, self.graceful_time)  # the grace of the command has begun, too

    def keeps_processes(self) -> bool:
        """Return whether there is something to keep, so that no action need be bound."""
        return bool(self.command or self.tables.get("process"))

    def may_have_parts(self) -> bool:
        """Return whether a part of the run may be asked for, beside actions."""
        return bool(self.tables or self.control or self.command or self.metrics_file)

    def passes_on(self) -> bool:
        """Return whether a command gets the signals that have no actions."""
        return bool(self.command) and self.forward != "none"

    def summary(self) -> str:
        """Return the bindings in plain words: ``usr1 runs 2 actions, hup runs 1 action``."""
        counts: dict[FlagName, int] = {}
        for binding in self.bindings:
            counts[binding.flag] = counts.get(binding.flag, 0) + 1
        titles = {binding.flag: in_log(binding.title) for binding in self.bindings}
        texts = [f"{titles[flag]} runs {counted(count, 'action')}" for flag, count in counts.items()]
        processes = self.tables.get("process")
        if isinstance(processes, dict) and processes:
            texts.append(f"keeps {counted(len(processes), 'process', 'processes')}")
        # Without its arguments, which may be secret.
        return ", ".join(texts + [f"wraps {shown(word)}" for word in self.command[:1]])

    def shape_the_process(self) -> bool:
        """Return whether any setting is about the process itself."""
        choices = (self.user, self.group, self.umask, self.chdir, self.chroot, self.stdout, self.stderr)
        return bool(self.pid_file) or any(choice is not None for choice in choices)


for _option in OPTIONS:
    setattr(Settings, _option.setting, _option.default)
