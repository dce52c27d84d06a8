"""What a plain start imports: each further module takes time at every start."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.driven import clean_environment, script

# Modules of flagman, by what the command line asks for.
PLAIN = {
    "flagman",
    "flagman.__main__",
    "flagman.actions",
    "flagman.actions.arguments",
    "flagman.actions.catalog",
    "flagman.actions.print",
    "flagman.cli",
    "flagman.cli.command",
    "flagman.cli.hooks",
    "flagman.cli.reading",
    "flagman.cli.words",
    "flagman.config",
    "flagman.config.binders",
    "flagman.config.binding",
    "flagman.config.options",
    "flagman.config.rows",
    "flagman.config.settings",
    "flagman.config.endings",
    "flagman.config.values",
    "flagman.core",
    "flagman.engine",
    "flagman.engine.action",
    "flagman.engine.bundle",
    "flagman.engine.choices",
    "flagman.engine.doors",
    "flagman.engine.engine",
    "flagman.engine.flags",
    "flagman.engine.interrupt",
    "flagman.engine.ledger",
    "flagman.engine.loop",
    "flagman.engine.loggers",
    "flagman.engine.lowering",
    "flagman.engine.reports",
    "flagman.engine.roster",
    "flagman.engine.signals",
    "flagman.engine.tally",
    "flagman.engine.titles",
    "flagman.engine.turn",
    "flagman.engine.wakeup",
    "flagman.engine.window",
    "flagman.engine.writing",
    "flagman.exceptions",
    "flagman.log",
    "flagman.log.standard_streams",
    "flagman.log.start",
    "flagman.service",
    "flagman.service.assembly",
    "flagman.service.dispositions",
    "flagman.service.hangup",
    "flagman.service.run",
    "flagman.systemd",
    "flagman.text",
    "flagman.text.shown",
    "flagman.triggers",
    "flagman.triggers.by_signal",
}
# Modules of Python: what runs a module with -m, and what a start uses.
RUNNER = {"__future__", "importlib._bootstrap", "importlib._bootstrap_external"}
OTHERS = {"collections.abc", "errno", "faulthandler", "gc", "math", "math.integer", "_math_integer", "select", "signal"}
COMMANDS = {
    "flagman.actions.command",
    "flagman.children",
    "flagman.children.environment",
    "flagman.children.front",
    "flagman.children.output",
    "flagman.children.pidfd",
    "flagman.children.process",
    "flagman.children.reaping",
    "flagman.children.registry",
    "flagman.children.spawning",
}


@pytest.mark.parametrize(
    ("arguments", "ours", "others"),
    [
        (("print", "hi"), PLAIN, OTHERS),
        (
            ("exec", "true"),
            PLAIN - {"flagman.actions.print"} | COMMANDS,
            {*OTHERS, "fcntl", "termios"},
        ),
    ],
    ids=["print", "exec"],
)
def test_a_start_imports_what_it_uses(arguments: tuple[str, ...], ours: set[str], others: set[str]) -> None:
    """A start imports no module of a part that it does not use: no HTTP, no TOML, no argparse, no logging."""
    done = subprocess.run(
        [sys.executable, script("start"), "--usr1", *arguments],
        env=clean_environment(),
        check=True,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    found = set(done.stdout.splitlines()[-1].split())
    assert {name for name in found if name.startswith("flagman")} == ours
    assert {name for name in found if not name.startswith("flagman")} - RUNNER <= others


def test_a_start_with_options_imports_no_more_than_their_parser() -> None:
    """Options need argparse, but nothing of what their help needs."""
    done = subprocess.run(
        [sys.executable, script("start"), "--usr1", "print", "hi", "--timeout", "5s", "-v"],
        env=clean_environment(),
        check=True,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    found = set(done.stdout.splitlines()[-1].split())
    assert "argparse" in found
    assert not {"shutil", "pathlib", "ctypes", "inspect"} & found
    assert not {name for name in found if name.startswith("flagman.triggers.files")}
