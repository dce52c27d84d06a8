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
        """Remember where to wait."""
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
        """Say so."""
        print(f"{self._name}: cleanup")


class SlowSetUp(Gate):
    """Waits in its set_up."""

    def set_up(self, name: str, fifo: str) -> None:
        """Wait for the line."""
        super().set_up(name, fifo)
        super().run()


class SlowTearDown(Gate):
    """Waits in its tear_down."""

    def run(self) -> None:
        """Say so."""
        print(f"{self._name}: run")

    def tear_down(self) -> None:
        """Wait for the line."""
        super().run()


class Stubborn(Gate):
    """Does not even end when it is interrupted."""

    def run(self) -> None:
        """Wait for ever, whatever is raised."""
        print(f"{self._name}: begin")
        while True:
            try:
                time.sleep(1000)
            except BaseException as error:  # noqa: BLE001 - that is what stubborn means
                print(f"{self._name}: {type(error).__name__}")


class Fail(Action):
    """Fails in a way of the test's choice: the name of a built-in exception."""

    def set_up(self, name: str) -> None:
        """Remember the exception."""
        self._error = getattr(builtins, name)
        print("init")

    def run(self) -> None:
        """Fail."""
        raise self._error("on purpose")

    def tear_down(self) -> None:
        """Say so."""
        print("cleanup")


class FailLoudly(Action):
    """Fails with much to say."""

    def set_up(self, text: str) -> None:
        """Keep it."""
        self._text = text

    def run(self) -> None:
        """Fail."""
        raise RuntimeError(self._text)


class Another(Action):
    """Adds another action, and raises its flag."""

    def set_up(self, flag: str, name: str, *arguments: str) -> None:
        """Read the flag as Python would, and add the action."""
        self._flag = ast.literal_eval(flag)
        self.engine.set_up(self._flag, KNOWN_ACTIONS[name], *arguments)

    def run(self) -> None:
        """Raise the flag."""
        self.engine.raise_flag(self._flag)


class AtExit(Action):
    """Has something to say at the end of the interpreter."""

    def set_up(self) -> None:
        """Ask for that."""
        atexit.register(print, "x" * 200_000, file=sys.stderr)

    def run(self) -> None:
        """Do nothing."""


class Chatters(Action):
    """Has threads that log without a pause."""

    def _chat(self) -> None:
        while True:
            logging.getLogger("chatter").error("x" * 1000)

    def run(self) -> None:
        """Start them."""
        for _ in range(3):
            threading.Thread(target=self._chat, daemon=True).start()


class AddsHandler(Action):
    """Adds a handler to the log."""

    def set_up(self, path: str) -> None:
        """Add it."""
        logging.getLogger().addHandler(logging.FileHandler(path, encoding="utf-8"))

    def run(self) -> None:
        """Do nothing."""


class TakesAlarm(Action):
    """Has an alarm of its own, and does not put back what was there."""

    def run(self) -> None:
        """Do so."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


class TakesSignal(Action):
    """Handles USR2 itself."""

    def set_up(self) -> None:
        """Take it."""
        signal.signal(signal.SIGUSR2, lambda *_: print("mine"))

    def run(self) -> None:
        """Do nothing."""


class FailSetUp(Action):
    """Cannot be set up."""

    def set_up(self) -> None:
        """Fail."""
        raise RuntimeError("no set-up\ntoday")

    def run(self) -> None:
        """Never happens."""


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
        """Print them, one a line."""
        print(*map(repr, self._words), sep="\n")


class Environment(Action):
    """Prints what the service manager said that was not meant for children."""

    def run(self) -> None:
        """Print the names that are still there."""
        print(sorted(name for name in os.environ if name.startswith(("NOTIFY", "WATCHDOG", "LISTEN"))))


class Counter(Action):
    """Counts its runs and tells the number when it is torn down."""

    def set_up(self, name: str) -> None:
        """Begin with none."""
        self._name = name
        self._runs = 0

    def run(self) -> None:
        """Count."""
        self._runs += 1

    def tear_down(self) -> None:
        """Tell."""
        print(f"{self._name}: {self._runs}")


class Echo(Action):
    """Prints the time of the clock that all processes share, so that a sender can compare."""

    def set_up(self, name: str) -> None:
        """Keep the name."""
        self._name = name

    def run(self) -> None:
        """Print name and nanoseconds."""
        print(self._name, time.monotonic_ns())


class Raises(Action):
    """Raises another signal for its own process in the middle of a run."""

    def set_up(self, name: str) -> None:
        """Keep the signal."""
        self._signal = signal.Signals[name]

    def run(self) -> None:
        """Send it."""
        print(f"raising {self._signal.name}")
        os.kill(os.getpid(), self._signal)


class Forks(Action):
    """Forks in its run; the child leaves in one of three ways."""

    def set_up(self, how: str) -> None:
        """Remember how."""
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


class Deafens(Action):
    """Takes the wake-up descriptor away, as an event loop does."""

    def run(self) -> None:
        """Take it and do not give it back."""
        signal.set_wakeup_fd(-1)
        print("deafened")


class NoSuper(Action):
    """Has an __init__ of its own that does not set it up."""

    def __init__(self) -> None:
        """Do nothing."""

    def run(self) -> None:
        """Do nothing."""


class Unfinished(Action):
    """Writes a line that does not end, so that it stays in the buffer."""

    def run(self) -> None:
        """Write."""
        sys.stdout.write("x")
        print("written", file=sys.stderr)


class Exhaust(Action):
    """Uses up all descriptors, and gives them back in the next run."""

    def set_up(self) -> None:
        """Have none yet."""
        self._held: list[int] = []

    def run(self) -> None:
        """Take them all, or give them back."""
        if self._held:
            self.tear_down()
            return
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        with suppress(OSError):
            while True:
                self._held.append(os.open("/dev/null", os.O_RDONLY))

    def tear_down(self) -> None:
        """Give them back."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()


class Recurse(Action):
    """Calls itself too often."""

    def run(self) -> None:
        """Once more."""
        self.run()


class TooMuch(Action):
    """Wants more memory than anybody has."""

    def run(self) -> None:
        """Ask for it."""
        bytearray(1 << 62)


class NotAnAction:
    """Is no action at all."""


class Picky(Action):
    """Likes few arguments."""

    def set_up(self, word: str) -> None:
        """Take any."""

    @classmethod
    def check_arguments(cls, word: str) -> None:
        """Refuse most."""
        if word == "exit":
            sys.exit("now")
        if word == "crash":
            raise ZeroDivisionError("on purpose")
        if word != "right":
            raise ValueError(f"{word!r} is not right")

    def run(self) -> None:
        """Do nothing."""


class Explodes(Action):
    """Raises anything, at a stage of the test's choice."""

    def set_up(self, where: str, name: str) -> None:
        """Raise it, perhaps."""
        if where == "set_up":
            raise getattr(builtins, name)("on purpose")

    @classmethod
    def check_arguments(cls, where: str, name: str) -> None:
        """Raise it, perhaps."""
        if where == "check":
            raise getattr(builtins, name)("on purpose")

    def run(self) -> None:
        """Never happens."""


class Adds(Action):
    """Adds another action when it is set up."""

    def set_up(self, flag: str) -> None:
        """Add it."""
        self.engine.set_up(flag, PrintAction, "stranger")

    def run(self) -> None:
        """Do nothing."""
