"""Programs with an engine of their own."""

from __future__ import annotations

import os
import threading

from flagman import Engine
from flagman.actions import ExecAction, PrintAction


def in_a_thread() -> None:
    """Run an engine with a timeout in a thread."""

    def work() -> None:
        with Engine(timeout=0.05) as engine:
            engine.set_up("usr1", ExecAction, "sleep", "0.2")
            engine.follow(engine.choices, once=True)
            engine.raise_flag("usr1")
            engine.run()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def forks() -> None:
    """Fork in a scheduled call, and print the status of the child."""
    with Engine() as engine:
        engine.set_up("usr1", PrintAction, "a")
        children: list[int] = []
        engine.call_later(0, lambda: children.append(os.fork()))
        engine.call_later(0.01, engine.stop)
        engine.run()
        (child,) = children
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
