"""The options of the command ``flagman``, as a table: what there is, without the machinery that parses it.

Those that bind an action have a table of their own, :mod:`flagman.config.binders`.
Most command lines only have these, which :mod:`flagman.cli.words` takes out. For the options that are left,
:mod:`flagman.cli.parser` makes an argparse parser of this table; a start without any does not pay for that.
"""

from __future__ import annotations

from flagman.config.endings import Signal, Statuses
from flagman.config.rows import BINDING, LINE, Option
from flagman.config.values import MASK, Checked, Choice, Kind, Number, Path, Places, Repeated, Span, Switch

SWITCH = Switch()
OFF, ON = False, True

#: The options that bind no action, grouped by subject, in the order in which the help shows them.
GROUPS = {
    "configuration file": (
        Option(
            "-c --config",
            Path("FILE", is_outside=True),
            "",
            "also read options and actions from a TOML file",
            where=LINE,
        ),
    ),
    "where actions are found": (
        Option(
            "--pythonpath",
            Path("DIR", is_outside=True),
            "",
            "also look for modules of actions in this directory, last of all",
            is_for_start=True,
        ),
    ),
    "print something and exit": (
        Option(
            "-l --list",
            Kind("NAME", is_optional=True, without=True),
            OFF,
            "list known actions, or show one of them, and exit",
            where=LINE,
        ),
        Option(
            "--check",
            SWITCH,
            OFF,
            "check the command line and the file, and exit with status 0 or 2",
            where=LINE,
            is_in_unit=False,
        ),
        Option("--print-config", SWITCH, OFF, "print all settings and actions as a TOML file and exit", where=LINE),
        Option(
            "--print-unit",
            SWITCH,
            OFF,
            "print a systemd unit for this command line and exit",
            where=LINE,
            is_in_unit=False,
        ),
        Option(
            "--into",
            Path("DIR", is_outside=True),
            "",
            "with --print-unit: write the units to this directory instead, and print the next command",
            where=LINE,
            is_in_unit=False,
        ),
        Option(
            "--timer",
            Kind("SPEC"),
            "",
            "with --print-unit: also print a timer that sends the first signal: 15m, daily, 'Mon *-*-* 06:00'",
            where=LINE,
            is_in_unit=False,
        ),
    ),
    "how actions run": (
        Option("--dry-run", SWITCH, OFF, "log what would run instead of running it", where=LINE),
        Option(
            "--overlap",
            Choice("ignore", "rerun", "restart"),
            "ignore",
            "when a signal arrives while its own actions run: ignore it (default), run them once more afterwards, or"
            " interrupt them and begin anew",
            where=BINDING,
        ),
        Option(
            "--on-error",
            Choice("continue", "skip", "close", "exit"),
            "continue",
            "when an action fails: carry on (default), skip those after it, remove it, or exit with status 1",
            where=BINDING,
        ),
        Option(
            "--timeout",
            Span(0.001),
            None,
            "interrupt a run of an action that takes longer, and count it as failed",
            where=BINDING,
        ),
        Option(
            "--max-failures",
            Number("N"),
            0,
            "exit with status 1 when one action has failed N times in a row",
            where=BINDING,
        ),
        Option(
            "--output",
            Choice("inherit", "log", "null"),
            "inherit",
            "output of commands: pass it on (default), log it (default with -d if it would be lost), or drop it",
            where=BINDING,
        ),
        Option(
            "--debounce",
            Span(),
            0.0,
            "run the actions of a signal or a file only after SPAN without another one",
            where=BINDING,
        ),
        Option("--jitter", Span(), 0.0, "delay each tick of a timer by a random time up to SPAN", where=BINDING),
        Option(
            "--file-interval",
            Span(0.1),
            5.0,
            "how often to look at files about which the kernel reports nothing, such as those on NFS (default 5s)",
        ),
        Option("--run-at-start", SWITCH, OFF, "also run all actions once when ready", is_for_start=True),
        Option("--once", SWITCH, OFF, "exit with status 0 after the first signal or timer has been handled"),
        Option(
            "--stop-timeout", Span(), 30.0, "time that a running action has to finish after a stop signal (default 30s)"
        ),
        Option("--successful-empty", SWITCH, OFF, "exit with status 0, not 1, when all actions have closed"),
    ),
    "the process": (
        Option(
            "--name",
            Checked("NAME", "name", "a name", "web"),
            None,
            "the daemon's name (default: that of the pid file or the configuration file, or flagman)",
            is_for_start=True,
        ),
        Option(
            "--no-systemd",
            Switch(turns_off=True),
            ON,
            "do not send status messages to systemd",
            is_for_start=True,
            setting="systemd",
        ),
        Option(
            "--pid-file",
            Path("FILE", is_outside=True),
            "",
            "write the process id to this file, and refuse to start if another process has locked it",
            is_for_start=True,
        ),
        Option(
            "-d --daemon",
            SWITCH,
            OFF,
            "run in the background; the command exits when the daemon is ready",
            is_for_start=True,
            is_in_unit=False,
        ),
        Option(
            "--user",
            Kind("NAME", is_optional=True),
            None,
            "change to this user; without NAME, with --print-unit: print a unit for your own systemd",
            is_for_start=True,
        ),
        Option("--group", Kind("NAME"), None, "change to this group (default: the user's group)", is_for_start=True),
        Option("--umask", MASK, None, "the file mode creation mask (default with -d: 077)", is_for_start=True),
        Option("--chdir", Path("DIR"), None, "the working directory (default with -d: /)", is_for_start=True),
        Option("--chroot", Path("DIR", is_outside=True), None, "the root directory to change to", is_for_start=True),
        Option("--stdout", Path("FILE"), None, "append standard output to a file when ready", is_for_start=True),
        Option("--stderr", Path("FILE"), None, "append standard error to a file when ready", is_for_start=True),
    ),
    "a wrapped command, which stands after --": (
        Option(
            "--forward",
            Choice("leader", "group", "none"),
            "leader",
            "which of its processes get signals that have no actions: the first one (default), all of its process"
            " group, or none",
            is_for_start=True,
        ),
        Option(
            "--graceful-time",
            Span(),
            10.0,
            "time that it has to end after a stop signal; then it is killed (default 10s)",
        ),
        Option(
            "--restart",
            Choice("never", "on-failure", "always"),
            "never",
            "when it ends: end with it (default), or start it again, if it failed or always",
        ),
        Option("--stop-signal", Signal("NAME"), None, "what it gets in place of the first TERM, INT or QUIT"),
        Option(
            "--success-exit-status", Statuses("N,N"), (), "statuses that count as 0, such as 143 for a death by TERM"
        ),
    ),
    "processes, which have tables of their own in the file": (
        Option("--keep-alive", SWITCH, OFF, "stay when all of them have ended"),
        Option(
            "--no-guardian",
            Switch(turns_off=True, turns_in_file=False),
            ON,
            "start no second process that ends them if flagman is killed",
            is_for_start=True,
            key="guardian",
            setting="guardian",
        ),
    ),
    "control": (
        Option(
            "--control",
            Places("PLACE", is_optional=True, without=(True,)),
            (),
            "let flagmanctl and others ask and steer this daemon, through a Unix socket at a path (default: NAME.sock"
            " in $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/flagman or /run/flagman), or at 127.0.0.1:PORT or [::1]:PORT; may"
            " be given several times",
            is_for_start=True,
        ),
        Option(
            "--control-token",
            Path("FILE", is_outside=True),
            "",
            "the file with the token that each request over TCP has to show",
            is_for_start=True,
        ),
        Option(
            "--control-mode",
            Checked("MODE", "socket_mode", 'an octal number, as a string such as ``"660"``', "660"),
            None,
            "the mode of that socket (default 600; with --control-group 660)",
            is_for_start=True,
        ),
        Option(
            "--control-group",
            Kind("NAME"),
            None,
            "the group whose members may use that socket, too",
            is_for_start=True,
        ),
    ),
    "metrics": (
        Option(
            "--metrics-file",
            Path("FILE.prom"),
            "",
            "keep metrics in this file, for the textfile collector of node_exporter",
            is_for_start=True,
        ),
    ),
    "the log": (
        Option(
            "--log-level",
            Choice("debug", "info", "warning", "error", "critical"),
            "warning",
            "the lowest level that is logged (default warning)",
        ),
        Option(
            "--log-format",
            Choice("auto", "plain", "time", "journal", "json"),
            "auto",
            "plain lines, lines with times or with priorities for the journal, or JSON (default: whatever fits)",
        ),
        Option("--log-file", Path("FILE"), "", "log to a file, and open it again after a rotation"),
        Option(
            "--runlog",
            Path("FILE"),
            "",
            "append each run to a file, as a line of JSON, and open it again after a rotation",
            is_for_start=True,
        ),
        Option("-q --quiet", SWITCH, OFF, "log critical messages only; overrides --verbose"),
        Option("-v --verbose", Repeated(""), 0, "log more; give it twice for even more"),
    ),
}
#: The options of all groups.
OPTIONS = tuple(option for group in GROUPS.values() for option in group)

#: All long options that bind no action, and whether each takes a value.
LONG_OPTIONS = {"--help": False, "--version": False} | {o.names[-1]: o.kind.takes_value for o in OPTIONS}
