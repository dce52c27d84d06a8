"""Actions that run commands: a program without a shell, or a line of shell."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from flagman.actions.action import Action
from flagman.actions.output import show, sinks
from flagman.actions.process import Process
from flagman.exceptions import ActionFailed, ActionTimedOut
from flagman.sd_notify import PRIVATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.engine.engine import Output
    from flagman.engine.interrupt import Interrupter

# What the service manager has told this process alone.
_PRIVATE = {name.encode() for name in PRIVATE}


class ExecAction(Action):
    """Runs a program and waits for its end; a status other than 0 is a failure."""

    def set_up(self, program: str, *arguments: str) -> None:
        """Keep the command.

        :param program: a path, or a name to look for in PATH
        :param arguments: for the program
        """
        self.check_arguments(program, *arguments)
        self._prepare(program, (program, *arguments), " ".join((program, *arguments)))

    @classmethod
    def check_arguments(cls, *words: str) -> None:
        """Refuse what no program can be called with."""
        if not words[0]:
            raise ValueError("the name of the program is empty")
        if any("\0" in word for word in words):
            raise ValueError("a command cannot contain a NUL character")

    def _prepare(self, program: str, words: tuple[str, ...], shown: str) -> None:
        """Get ready what all runs need.

        :param program: what is started
        :param words: its name and its arguments, as it sees them
        :param shown: what to call the command in the log
        """
        self._program = program
        self._words = words
        self._shown = shown
        engine = getattr(self, "engine", None)
        self._output: Output | None = None
        self._interrupter: Interrupter | _Alone = engine.interrupter if engine else _Alone()
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            with suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited; the kernel would throw statuses away
        # As it is now: what other actions do to theirs is not the command's business, and a copy takes 15 us.
        self._environment = {name: value for name, value in os.environb.items() if name and name not in _PRIVATE}
        self._environment[b"FLAGMAN_PID"] = b"%d" % os.getpid()
        # Processes that could not be killed.
        self._left: list[int] = []
        self._null = os.open(os.devnull, os.O_RDONLY)

    def tear_down(self) -> None:
        """Release what every run needs."""
        os.close(self._null)

    def run(self) -> None:
        """Run the command.

        :raises ActionFailed: if it cannot be started, ends with another status than 0 or is killed by a signal
        """
        self._left = [pid for pid in self._left if not _is_reaped(pid)]
        process: Process | None = None
        interrupter = self._interrupter
        # From here on interruptions come only while something is waited for.
        interrupter.shielded = interrupter.starting = True
        try:
            process = self._start()
            interrupter.groups.add(process.pid)
            interrupter.started()
            status = process.wait()
        except ChildProcessError:
            if process is not None:
                process.forget()  # its number may mean another process by now
            raise ActionFailed(f"`{self._shown}` has ended, but something else has taken its exit status") from None
        except BaseException as error:
            if process is not None and not process.end():
                self._left.append(process.pid)
            if process is not None and isinstance(error, ActionTimedOut):
                raise ActionTimedOut(f"{error}{show(process.tail)}") from None
            raise
        finally:
            if process is not None:
                interrupter.groups.discard(process.pid)
            interrupter.started()
            interrupter.postponed = None  # too late: the run is over
            interrupter.shielded = False
        if status:
            raise ActionFailed(f"`{self._shown}` {self._say(status)}{show(process.tail)}")
        if process.failure:
            raise ActionFailed(f"the output of `{self._shown}` could not be passed on: {process.failure}")

    def _start(self) -> Process:
        environment = self._environment
        if hasattr(self, "engine"):
            turn = self.engine.turn
            environment[b"FLAGMAN_TRIGGER"] = turn.trigger.encode()
            environment[b"FLAGMAN_ACTION"] = os.fsencode(turn.action)
            environment[b"FLAGMAN_COALESCED"] = b"%d" % turn.raises
        output = self.engine.output if hasattr(self, "engine") else "inherit"
        if output != self._output:  # the choice may change between two runs
            self._output = output
            self._sinks = sinks(output, self._shown)
        try:
            return Process(self._program, self._words, environment, self._null, self._sinks, self._interrupter)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ActionFailed(f"`{self._shown}` cannot be started: {reason}") from error

    def _say(self, status: int) -> str:
        if status > 0:
            return f"exited with status {status}"
        from flagman.signames import name_of  # noqa: PLC0415 - it hardly ever happens

        name = name_of(-status)
        said = f"was killed by {name}"
        if hasattr(self, "engine") and self.engine.turn.trigger == name.lower():
            said += (
                ", the signal for which it was started: somebody sends that to the whole service."
                " Send it to flagman's main process alone, as `systemctl kill --kill-whom=main` does"
            )
        return said


class ShellAction(ExecAction):
    """Runs a shell command; a status other than 0 is a failure."""

    def set_up(self, command: str) -> None:  # type: ignore[override]
        """Keep the command.

        :param command: the line, as it would be typed
        """
        self.check_arguments(command)
        self._prepare("/bin/sh", ("sh", "-c", command), command)

    @classmethod
    def check_arguments(cls, command: str) -> None:  # type: ignore[override]
        """Refuse what no shell can be called with."""
        if not command.strip():
            raise ValueError("the command is empty")
        super().check_arguments(command)


class _Alone:
    """Stands in for an engine's interrupter where there is no engine: nothing is interrupted."""

    def __init__(self) -> None:
        self.groups: set[int] = set()
        self.shielded = self.starting = False
        self.postponed: BaseException | None = None

    def raise_postponed(self) -> None:
        """Do nothing."""

    started = raise_postponed


def _is_reaped(pid: int) -> bool:
    """Take the exit status of a process that could not be waited for, if it has ended by now."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
