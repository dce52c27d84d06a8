"""Actions that run commands: a program without a shell, or a shell command."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from flagman.children import environment, front
from flagman.children.output import show, sinks
from flagman.children.process import GRACE, Process
from flagman.engine.action import Action
from flagman.exceptions import ActionFailed, ActionTimedOut
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.children.shim import Shim
    from flagman.engine.choices import Choices


class ExecAction(Action):
    """Runs a program and waits for its end; a status other than 0 is a failure."""

    example = "exec systemctl reload nginx"
    runs_commands = True

    # Seconds between TERM and KILL, for a command that is to end.
    grace = GRACE

    def set_up(self, program: str, *arguments: str) -> None:
        """Keep the command.

        :param program: a path, or a name to look for in PATH
        :param arguments: for the program
        """
        self.check_arguments(program, *arguments)
        self._prepare(program, (program, *arguments), shown(program, *arguments))

    @classmethod
    def check_arguments(cls, *words: str) -> None:
        """Refuse words that cannot be a command."""
        if not words[0]:
            raise ValueError("the name of the program is empty")
        if words[0].startswith("-"):
            raise ValueError(f"{words[0].partition('=')[0]!r} is not a program; flagman's own options come first")
        _check_words(*words)

    def _prepare(self, program: str, words: tuple[str, ...], name: str) -> None:
        """Prepare what all runs need.

        :param program: the program to start
        :param words: its name and its arguments, as it sees them
        :param name: the name of the command in the log
        """
        self._program = program
        self._words = words
        self._shown = name
        self._interrupter = self.engine.interrupter
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            with suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited; the kernel would drop exit statuses
        # Copied once, because changes by other actions are not for this command, and a copy takes 15 us.
        self._environment = environment.for_commands()
        self._environment[b"FLAGMAN_PID"] = b"%d" % front.pid()
        # Processes that could not be killed.
        self._left: list[Process] = []
        self._null = os.open(os.devnull, os.O_RDONLY)

    def tear_down(self) -> None:
        """Release what every run needs."""
        os.close(self._null)

    def run(self) -> None:
        """Run the command.

        :raises ActionFailed: if it cannot be started, ends with another status than 0 or is killed by a signal
        """
        self._left = [process for process in self._left if not process.is_reaped()]
        # Within the shield interruptions come only during a wait.
        with self._interrupter.shield as shield:
            shim = self._shim(self.engine.turn.choices)
            process = self._start(shim)
            shield.started(process.pid, process.has_ended)
            status = self._wait_for(process)
        if shim is not None and (trouble := shim.trouble(status)):
            raise ActionFailed(f"{self._subject}cannot be started: {trouble}")
        if status:
            raise ActionFailed(f"{self._subject}{self._say(status)}{show(process.tail)}")
        if process.failure:
            raise ActionFailed(f"{self._subject}its output could not be passed on: {process.failure}")

    @property
    def _subject(self) -> str:
        """The command, for messages, and a space; empty if what was typed says it."""
        return "" if type(self) in (ExecAction, ShellAction) else f"`{self._shown}` "

    def _shim(self, choices: Choices) -> Shim | None:
        """Return what starts the command by way of a shell; None if it can be started without one."""
        # posix_spawnp(3) looks for the program in the PATH of this process.
        has_other_path = "PATH" in choices.environment and "/" not in self._program
        if choices.directory is None and choices.umask is None and not has_other_path:
            return None
        from flagman.children.shim import Shim  # noqa: PLC0415 - most commands need none

        return Shim(choices.directory, choices.umask)

    def _start(self, shim: Shim | None) -> Process:
        # Outside of all turns it is an empty one, because what an outer flagman has set is not for this command.
        turn = self.engine.turn
        choices = turn.choices
        self._environment[b"FLAGMAN_TRIGGER"] = environment.encoded(turn.trigger)
        self._environment[b"FLAGMAN_ACTION"] = environment.encoded(turn.action)
        self._environment[b"FLAGMAN_COALESCED"] = b"%d" % turn.raises
        variables = self._environment
        if turn.details:
            variables = {**variables, **environment.of_details(turn.details)}
        if choices.environment:
            variables = {**variables, **environment.given(choices.environment)}
        # For each run, because the choice may have changed, and the streams may lead elsewhere.
        takers = sinks(choices.output, self._shown, self._interrupter)
        program, words, through = self._program, self._words, ""
        if shim is not None:
            through = f"{shim.SHELL}, which its directory, umask or PATH need: "
            program, words, takers = shim.SHELL, shim.words(program, words), shim.sinks(takers)
        try:
            return Process(program, words, variables, self._null, takers, self._interrupter, self._shown)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            if isinstance(error, FileNotFoundError) and " " in self._program and shim is None:
                reason = f"{reason}; {shown(self._program)!r} is one word here: leave out its quotes, or use sh"
            raise ActionFailed(f"{self._subject}cannot be started: {through}{reason}") from error

    def _wait_for(self, process: Process) -> int:
        """Wait until a command has ended, or end it; return its exit status."""
        try:
            return process.wait()
        except ChildProcessError:
            process.forget()  # its number may mean another process by now
            raise ActionFailed(f"{self._subject}has ended, but other code has collected its exit status") from None
        except BaseException as error:
            if not process.end(self.grace):
                self._left.append(process)
            if isinstance(error, ActionTimedOut):
                raise ActionTimedOut(f"{error}{show(process.tail)}") from None
            raise

    def _say(self, status: int) -> str:
        if status > 0:
            return f"exited with status {status}"
        from flagman.text.signames import name_of  # noqa: PLC0415 - only for a command that was killed

        name = name_of(-status)
        said = f"was killed by {name}"
        if self.engine.turn.trigger == name.lower():
            said += (
                ", the signal for which it was started, so that signal probably goes to the whole service."
                " Send it only to flagman's main process, as `systemctl kill --kill-whom=main` does"
            )
        return said


class ShellAction(ExecAction):
    """Runs a shell command; a status other than 0 is a failure."""

    example = "sh 'nginx -t && systemctl reload nginx'"
    usage_hint = "quote the command, as in sh 'echo hi', or use exec"

    def set_up(self, command: str) -> None:  # type: ignore[override]
        """Keep the command.

        :param command: the line, as it would be typed
        """
        self.check_arguments(command)
        # After the two dashes a line may begin with - or +, and is no option, see sh(1p).
        self._prepare("/bin/sh", ("sh", "-c", "--", command), shown(command))

    @classmethod
    def check_arguments(cls, command: str) -> None:  # type: ignore[override]
        """Refuse a line that cannot be a command."""
        if not command.strip():
            raise ValueError("the command is empty")
        _check_words(command)


def _check_words(*words: str) -> None:
    if any("\0" in word for word in words):
        raise ValueError("a command cannot contain a NUL character")
