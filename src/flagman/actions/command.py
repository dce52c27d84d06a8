"""Actions that run commands: a program without a shell, or a line of shell."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext, suppress

from flagman.actions.action import Action
from flagman.actions.output import show, sinks
from flagman.actions.process import Process
from flagman.exceptions import ActionFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class ExecAction(Action):
    """Runs a program and waits for its end; a status other than 0 is a failure."""

    def set_up(self, program: str, *arguments: str) -> None:
        """Keep the command.

        :param program: a path, or a name to look for in PATH
        :param arguments: for the program
        """
        self._start_with(program, program, *arguments)

    @classmethod
    def check_arguments(cls, *words: str) -> None:
        """Refuse what no program can be called with."""
        if not words[0]:
            raise ValueError("the name of the program is empty")
        if any("\0" in word for word in words):
            raise ValueError("a command cannot contain a NUL character")

    def _start_with(self, program: str, *words: str) -> None:
        self.check_arguments(*words)
        self._program = program
        self._words = words
        self._shown = words[-1] if program == _SHELL else " ".join(words)
        if hasattr(self, "engine"):
            self._sinks = sinks(self.engine.output, self._shown)
            self._groups = self.engine.interrupter.groups
        else:
            self._sinks = sinks("inherit", self._shown)
            self._groups = set()
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            with suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited; the kernel would throw statuses away

        # As it is now: what other actions do to theirs is not the command's business, and a copy takes 15 us.
        self._environment = {**os.environb, b"FLAGMAN_PID": b"%d" % os.getpid()}
        self._null = os.open(os.devnull, os.O_RDONLY)

    def tear_down(self) -> None:
        """Release what every run needs."""
        os.close(self._null)

    def run(self) -> None:
        """Run the command.

        :raises ActionFailed: if it cannot be started, ends with another status than 0 or is killed by a signal
        """
        # An interruption between the start of the process and the note of it would leave it behind.
        process: Process | None = None
        try:
            with self._shielded():
                process = self._start()
                self._groups.add(process.pid)
            status = process.wait()
        except BaseException as error:
            self._give_up(process, error)
            raise
        self._groups.discard(process.pid)
        if status:
            raise ActionFailed(f"`{self._shown}` {self._say(status)}{_quote(process)}")
        if process.failure:
            raise ActionFailed(f"the output of `{self._shown}` could not be passed on: {process.failure}")

    def _give_up(self, process: Process | None, error: BaseException) -> None:
        """Leave nothing behind of a command that is not waited for any more."""
        if process is None:
            return
        try:
            if not isinstance(error, ChildProcessError):
                process.end()
                return
            # Its number may mean another process by now.
            process.forget()
        finally:
            self._groups.discard(process.pid)
        raise ActionFailed(f"`{self._shown}` has ended, but something else has taken its exit status") from None

    def _shielded(self) -> AbstractContextManager[None]:
        return self.engine.interrupter.shielded() if hasattr(self, "engine") else nullcontext()

    def _start(self) -> Process:
        environment = self._environment
        if hasattr(self, "engine"):
            turn = self.engine.turn
            environment[b"FLAGMAN_TRIGGER"] = turn.flag.encode()
            environment[b"FLAGMAN_ACTION"] = os.fsencode(turn.action)
            environment[b"FLAGMAN_COALESCED"] = b"%d" % turn.raises
        try:
            return Process(self._program, self._words, environment, self._null, self._sinks)
        except OSError as error:
            raise ActionFailed(f"`{self._shown}` cannot be started: {error.strerror}") from error

    def _say(self, status: int) -> str:
        if status > 0:
            return f"exited with status {status}"
        from flagman.signames import name_of  # noqa: PLC0415 - it hardly ever happens

        name = name_of(-status)
        said = f"was killed by {name}"
        if hasattr(self, "engine") and self.engine.turn.flag == name.lower():
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
        self._start_with(_SHELL, "sh", "-c", command)


_SHELL = "/bin/sh"


def _quote(process: Process) -> str:
    tail = show(process.tail)
    return f"; its last output:{tail}" if tail else ""
