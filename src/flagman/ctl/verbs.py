"""The table of the verbs and options of ``flagmanctl``; the command line and the help are made of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

#: Seconds that a daemon has for an answer, unless ``--wait`` says something else.
LIMIT = 10.0

_ASKS = "0 done, 1 done but the outcome is bad, 3 no daemon, 4 not permitted or unknown"


class Verb:
    """A verb; its module in this room has the same name.

    :param explanation: what it does, for the help
    :param statuses: the exit statuses, for the help
    :param argument: what the help calls its argument; in brackets if it may be left out; empty if there is none
    :param needs: the option that it cannot do without
    """

    __slots__ = ("argument", "explanation", "needs", "statuses")

    def __init__(self, explanation: str, statuses: str, *, argument: str = "", needs: str = "") -> None:
        self.explanation = explanation
        self.statuses = statuses
        self.argument = argument
        self.needs = needs


VERBS = {
    "status": Verb(
        "show the state of a daemon, its bindings, and their last runs and errors",
        "0 the daemon runs, 1 it is dead but its pid file exists, 3 it does not run, 4 unknown, 124 no answer",
    ),
    "history": Verb(
        "show the last runs, the newest last", f"{_ASKS}, 5 no such flag, 124 no answer", argument="[FLAG]"
    ),
    "trigger": Verb(
        "raise a flag, as its trigger would; --wait shows how the run ended",
        f"{_ASKS}, 5 no such flag, 124 not in time",
        argument="FLAG",
    ),
    "ready": Verb(
        "tell whether a daemon is ready, for health checks; --wait waits until it is",
        "0 ready, 1 not ready, 3 no daemon, 4 not permitted or unknown, 124 not in time",
    ),
    "reload": Verb(
        "let a daemon read its configuration file again, and show what has changed", f"{_ASKS}, 124 not in time"
    ),
    "shutdown": Verb(
        "stop a daemon as SIGTERM does; --wait waits until it has ended",
        "0 it stops, 1 it ended in another way, 3 no daemon, 4 not permitted or unknown, 124 not in time",
    ),
    "signal": Verb(
        "send a signal to a running daemon",
        "0 the signal was sent, 3 no daemon runs, 4 it could not be sent",
        argument="NAME",
        needs="--pid-file",
    ),
    "new": Verb(
        "write a new plugin package: an action, its tests, its metadata, a unit and a README",
        "0 it was written, 1 it could not be written",
        argument="NAME",
    ),
}

#: What arguments are, for the help.
ARGUMENTS = {
    "history": "only the runs of this flag",
    "trigger": "the flag, its trigger, or a signal, such as usr1 or every-5m",
    "signal": "name or number of the signal; 0 sends none",
    "new": "name of the package and of its action, such as acme-purge",
}

_ASKING = frozenset(VERBS) - {"signal", "new"}


class Option:
    """An option.

    :param names: all of its names; the last one is used in messages
    :param metavar: what the help calls its value; empty for a switch; in brackets if it may be left out
    :param explanation: for the help
    :param verbs: those that it belongs to
    """

    __slots__ = ("explanation", "metavar", "names", "setting", "verbs")

    def __init__(self, names: str, metavar: str, explanation: str, verbs: Collection[str]) -> None:
        self.names = tuple(names.split())
        self.metavar = metavar
        self.explanation = explanation
        self.verbs = verbs
        #: The name of the attribute of the words that have been read.
        self.setting = self.names[-1].lstrip("-").replace("-", "_")


OPTIONS = (
    Option("--name", "NAME", "the daemon of this name", _ASKING),
    Option("--control", "PATH", "the daemon with this control socket (default: FLAGMAN_CONTROL)", _ASKING),
    Option("--pid-file", "PATH", "the daemon with this pid file", _ASKING | {"signal"}),
    Option("--json", "", "print the answer of the daemon as it is", _ASKING),
    Option("--color", "{auto,always,never}", "color the output (default: auto, on a terminal)", _ASKING),
    Option("-w --watch", "", "show the state anew every second", {"status"}),
    Option("-n --number", "N", "show N runs at most", {"history"}),
    Option(
        "--wait",
        "[SPAN]",
        "wait for the end, for as long as SPAN at most, such as 30s",
        {"trigger", "ready", "reload", "shutdown"},
    ),
    Option("--directory", "DIR", "directory to write to (default: NAME)", {"new"}),
)
#: Ways to name the daemon, of which one is enough.
WAYS = ("--name", "--control", "--pid-file")
BY_NAME = {name: option for option in OPTIONS for name in option.names}
#: Verbs of other programs, and what they are called here.
CALLED_HERE = {
    "stop": "shutdown",
    "kill": "signal",
    "terminate": "shutdown",
    "quit": "shutdown",
    "run": "trigger",
    "raise": "trigger",
    "start": "trigger",
    "restart": "reload",
    "list": "status",
    "ps": "status",
    "log": "history",
    "logs": "history",
    "health": "ready",
    "help": "--help",
    "version": "--version",
}
