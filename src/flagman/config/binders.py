"""The options of the command ``flagman`` that bind an action, as a table."""

from __future__ import annotations

import signal

from flagman.config.rows import TriggerOption
from flagman.engine.signals import HANDLED_SIGNALS, flag_of

#: The options that bind an action, by name.
TRIGGERS = {
    option.name: option
    for option in (
        *(
            TriggerOption(f"--{flag_of(s)}", f"add an action for {signal.Signals(s).name}", "", "by_signal:read")
            for s in HANDLED_SIGNALS
        ),
        TriggerOption(
            "--signal", "add an action for any other signal: a name, a number, RTMIN+n", "NAME", "by_signal:read"
        ),
        TriggerOption(
            "--every", "add an action that runs again and again: every 90s, 5m, 1h30m", "SPAN", "by_clock:every"
        ),
        TriggerOption("--after", "add an action that runs once, SPAN after flagman is ready", "SPAN", "by_clock:after"),
        TriggerOption(
            "--on-file",
            "add an action for a file or a directory that changes, is replaced, comes or goes",
            "PATH",
            "by_file:read",
            key="file",
            takes_numbers=False,
        ),
        TriggerOption(
            "--on-process",
            "add an action for a process of the file that is ready, ends or fails: web:ready, web:exit, web:fail",
            "NAME:EVENT",
            "by_process:read",
            key="process",
            and_key="event",
            takes_numbers=False,
        ),
    )
}
