"""Actions for end-to-end tests."""

from __future__ import annotations

import ast
import atexit
import builtins
import logging
import os
import resource
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from flagman import KNOWN_ACTIONS, Action
from flagman.actions import PrintAction


class Gate(Action):
    """Waits in every run until the test writes a line to a FIFO."""

    def set_up(self, name: str, fifo: str) -> None:
        """Remember the FIFO."""
        self._name = name
        self._fifo = fifo
        print(f"{name}: init")

    def run(self) -> None:
        """Wait for the line."""
        print(f"{self._name}: begin")
        with Path(self._fifo).open(encoding="utf-8") as fifo:
            fifo.readline()
        print(f"{self._name}: end")

    def tear_down(self) -> None:
        """Print the stage."""
        print(f"{self._name}: cleanup")


class Measured(Action):
    """Counts its runs, and says so."""

    def set_up(self) -> None:
        """Begin at 0."""
        self._runs = 0

    def run(self) -> None:
        """Count."""
        self._runs += 1

    def statistics(self) -> dict[str, float]:
        """Return the count."""
        return {"runs": self._runs}

    def state(self) -> dict[str, object]:
        """Return something else."""
        return {"even": self._runs % 2 == 0}


class SlowSetUp(Gate):
    """Waits in its set_up."""

    def set_up(self, name: str, fifo: str) -> None:
        """Wait for the line."""
        super().set_up(name, fifo)
        super().run()


class SlowTearDown(Gate):
    """Waits in its tear_down."""

    def run(self) -> None:
        """Print the stage."""
        print(f"{self._name}: run")

    def tear_down(self) -> None:
        """Wait for the line."""
        super().run()


class Stubborn(Gate):
    """Goes on even when it is interrupted."""

    def run(self) -> None:
        """Wait for ever, and catch any exception."""
        print(f"{self._name}: begin")
        while True:
            try:
                time.sleep(1000)
            except BaseException as error:  # noqa: BLE001 - to be stubborn
                print(f"{self._name}: {type(error).__name__}")


class Fail(Action):
    """Fails with the built-in exception that the test names."""

    def set_up(self, name: str) -> None:
        """Remember the exception."""
        self._error = getattr(builtins, name)
        print("init")

    def run(self) -> None:
        """Fail."""
        raise self._error("on purpose")

    def tear_down(self) -> None:
        """Print the stage."""
        print("cleanup")


class FailLoudly(Action):
    """Fails with a long message."""

    def set_up(self, text: str) -> None:
        """Keep the message."""
        self._text = text

    def run(self) -> None:
        """Fail."""
        raise RuntimeError(self._text)


class Another(Action):
    """Adds another action, and raises its flag."""

    def set_up(self, flag: str, name: str, *arguments: str) -> None:
        """Read the flag as a Python literal, and add the action."""
        self._flag = ast.literal_eval(flag)
        self.engine.set_up(self._flag, KNOWN_ACTIONS[name], *arguments)

    def run(self) -> None:
        """Raise the flag."""
        self.engine.raise_flag(self._flag)


class AtExit(Action):
    """Prints a lot at the exit of the interpreter."""

    def set_up(self) -> None:
        """Register the output."""
        atexit.register(print, "x" * 200_000, file=sys.stderr)

    def run(self) -> None:
        """Do nothing."""


class Chatters(Action):
    """Has threads that log without a pause."""

    def _chat(self) -> None:
        while True:
            logging.getLogger("chatter").error("x" * 1000)

    def run(self) -> None:
        """Start the threads."""
        for _ in range(3):
            threading.Thread(target=self._chat, daemon=True).start()


class AddsHandler(Action):
    """Adds a handler to the log."""

    def set_up(self, path: str) -> None:
        """Add the handler."""
        logging.getLogger().addHandler(logging.FileHandler(path, encoding="utf-8"))

    def run(self) -> None:
        """Do nothing."""


class TakesAlarm(Action):
    """Takes the handler of ALRM, and does not put back the previous one."""

    def run(self) -> None:
        """Take the handler."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


class TakesSignal(Action):
    """Handles USR2 itself."""

    def set_up(self) -> None:
        """Set a handler."""
        signal.signal(signal.SIGUSR2, lambda *_: print("mine"))

    def run(self) -> None:
        """Do nothing."""


class FailSetUp(Action):
    """Cannot be set up."""

    def set_up(self) -> None:
        """Fail."""
        raise RuntimeError("no set-up\ntoday")

    def run(self) -> None:
        """Do nothing, because it never runs."""


class FailTearDown(Action):
    """Cannot be torn down."""

    def run(self) -> None:
        """Do nothing."""

    def tear_down(self) -> None:
        """Fail."""
        raise RuntimeError("no tear-down today")


class Words(Action):
    """Prints all its arguments."""

    def set_up(self, *words: str) -> None:
        """Keep the words."""
        self._words = words

    def run(self) -> None:
        """Print the words, one a line."""
        print(*map(repr, self._words), sep="\n")


class Environment(Action):
    """Prints which variables of the service manager are visible, though none should be."""

    def run(self) -> None:
        """Print the names of these variables."""
        print(sorted(name for name in os.environ if name.startswith(("NOTIFY", "WATCHDOG", "LISTEN"))))


class Counter(Action):
    """Counts its runs, and prints the number when it is torn down."""

    def set_up(self, name: str) -> None:
        """Begin with no run."""
        self._name = name
        self._runs = 0

    def run(self) -> None:
        """Count."""
        self._runs += 1

    def tear_down(self) -> None:
        """Print the number."""
        print(f"{self._name}: {self._runs}")


class Echo(Action):
    """Prints the time of a clock that all processes share, so that a sender can compare."""

    def set_up(self, name: str) -> None:
        """Keep the name."""
        self._name = name

    def run(self) -> None:
        """Print the name and the time in nanoseconds."""
        print(self._name, time.monotonic_ns())


class Raises(Action):
    """Sends another signal to its own process in the middle of a run."""

    def set_up(self, name: str) -> None:
        """Keep the signal."""
        self._signal = signal.Signals[name]

    def run(self) -> None:
        """Send the signal."""
        print(f"raising {self._signal.name}")
        os.kill(os.getpid(), self._signal)


class Forks(Action):
    """Forks in its run; the child leaves in one of three ways."""

    def set_up(self, how: str) -> None:
        """Keep the way."""
        self._how = how

    def run(self) -> None:
        """Fork, wait for the child and print its status."""
        pid = os.fork()
        if pid:
            print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        elif self._how == "exit":
            sys.exit(0)
        elif self._how == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)


class ForksOff(Action):
    """Forks, and leaves the child alone; it ends after a minute at the latest."""

    def run(self) -> None:
        """Fork, and print the number of the child."""
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        print("child", pid)


class Deafens(Action):
    """Takes the wake-up descriptor away, as an event loop does."""

    def run(self) -> None:
        """Take the wake-up descriptor away, and do not put it back."""
        signal.set_wakeup_fd(-1)
        print("deafened")


class NoSuper(Action):
    """Has an __init__ that does not call that of its base."""

    def __init__(self) -> None:
        """Do nothing."""

    def run(self) -> None:
        """Do nothing."""


class Unfinished(Action):
    """Writes a line that does not end, so that it stays in the buffer."""

    def run(self) -> None:
        """Write the line."""
        sys.stdout.write("x")
        print("written", file=sys.stderr)


class Exhaust(Action):
    """Uses up all descriptors, and gives them back in the next run."""

    def set_up(self) -> None:
        """Begin with no descriptor."""
        self._held: list[int] = []

    def run(self) -> None:
        """Open all of them, or close them."""
        if self._held:
            self.tear_down()
            return
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        with suppress(OSError):
            while True:
                self._held.append(os.open("/dev/null", os.O_RDONLY))

    def tear_down(self) -> None:
        """Close all descriptors."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()


class Recurse(Action):
    """Calls itself without an end."""

    def run(self) -> None:
        """Run once more."""
        self.run()


class TooMuch(Action):
    """Wants more memory than any machine has."""

    def run(self) -> None:
        """Request the memory."""
        bytearray(1 << 62)


class NotAnAction:
    """Is no action at all."""


class Picky(Action):
    """Accepts only one argument."""

    def set_up(self, word: str) -> None:
        """Do nothing."""

    @classmethod
    def check_arguments(cls, word: str) -> None:
        """Refuse all but one."""
        if word == "exit":
            sys.exit("now")
        if word == "crash":
            raise ZeroDivisionError("on purpose")
        if word != "right":
            raise ValueError(f"{word!r} is not right")

    def run(self) -> None:
        """Do nothing."""


class Explodes(Action):
    """Raises any exception at the stage that the test names."""

    def set_up(self, where: str, name: str) -> None:
        """Raise the exception, if it belongs here."""
        if where == "set_up":
            raise getattr(builtins, name)("on purpose")

    @classmethod
    def check_arguments(cls, where: str, name: str) -> None:
        """Raise the exception, if it belongs here."""
        if where == "check":
            raise getattr(builtins, name)("on purpose")

    def run(self) -> None:
        """Do nothing."""


class Adds(Action):
    """Adds another action when it is set up."""

    def set_up(self, flag: str) -> None:
        """Add the action."""
        self.engine.set_up(flag, PrintAction, "stranger")

    def run(self) -> None:
        """Do nothing."""


class TakesAllFiles(Action):
    """Opens as many files as this process may have open, and keeps them."""

    def set_up(self) -> None:
        """Lower the limit."""
        import resource  # noqa: PLC0415 - the other actions do without

        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        self._files: list[int] = []

    def run(self) -> None:
        """Open them."""
        with suppress(OSError):
            while True:
                self._files.append(os.open(os.devnull, os.O_RDONLY))
        print("full")


class Orphans(Action):
    """Leaves 500 processes without a parent, and runs a command a thousand times meanwhile."""

    def set_up(self) -> None:
        """Do nothing."""

    def run(self) -> None:
        """Print the statuses that the command had, and how many zombies are left a while later."""
        import subprocess  # noqa: PLC0415 - the other actions do without

        script = 'i=0; while [ $i -lt 500 ]; do (sh -c "exit $((i % 256))" &); i=$((i + 1)); done; exit 3'
        with subprocess.Popen(["sh", "-c", script]) as maker:
            found = {subprocess.run(["sh", "-c", "exit 7"], check=False).returncode for _ in range(1000)}
        print(found, maker.returncode)
        limit = time.monotonic() + 60
        while zombies() and time.monotonic() < limit:
            time.sleep(0.01)
        print(f"{zombies()} zombies")


def zombies() -> int:
    """Return how many children of process 1 have ended and are still there."""
    number = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent, *_ = (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            number += (state, parent) == ("Z", "1")
    return number


class Leaves(Action):
    """Ends the daemon at once."""

    def set_up(self, status: str) -> None:
        """Remember the status."""
        self._status = int(status)

    def run(self) -> None:
        """End."""
        os._exit(self._status)
