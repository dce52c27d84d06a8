"""The table of the verbs and options of ``flagmanctl``; the command line and the help are made of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

#: Seconds that a daemon has for an answer, unless ``--wait`` says something else.
LIMIT = 10.0

#: More arguments than any command line has.
MANY = 1_000_000_000

_ASKS = "0 done, 1 done but the outcome is bad, 3 no daemon, 4 not permitted or unknown"

_SHOWS = "0 done, 3 no daemon, 4 not permitted or unknown, 5 no such process"
_WISHES = (
    "0 done, 1 it ended in another way, 3 no daemon, 4 not permitted or unknown, 5 no such process, 124 not in time"
)


class Verb:
    """A verb; its module in this room has the same name.

    :param explanation: what it does, for the help
    :param statuses: the exit statuses, for the help
    :param argument: what the help calls its arguments; in brackets if it may be left out, with dots if there may be
        several; empty if there is none
    """

    __slots__ = ("argument", "explanation", "statuses")

    def __init__(self, explanation: str, statuses: str, *, argument: str = "") -> None:
        self.explanation = explanation
        self.statuses = statuses
        self.argument = argument

    @property
    def needs_argument(self) -> bool:
        """Whether it cannot do without an argument."""
        return self.argument[:1].isalpha()

    @property
    def most(self) -> int:
        """How many arguments there may be."""
        return MANY if "..." in self.argument else len(self.argument.split())


VERBS = {
    "status": Verb(
        "show the state of a daemon, its bindings, and their last runs and errors",
        "0 the daemon runs, 1 it is dead but its pid file exists, 3 it does not run, 4 unknown, 124 no answer",
    ),
    "history": Verb(
        "show the last runs, and what has happened to processes, the newest last",
        f"{_ASKS}, 5 no such flag, 124 no answer",
        argument="[FLAG]",
    ),
    "metrics": Verb(
        "print the metrics of a daemon in the text format of Prometheus",
        f"{_ASKS}, 124 no answer",
    ),
    "trigger": Verb(
        "raise a flag, as its trigger would; --wait shows how the run ended",
        f"{_ASKS}, 5 no such flag, 124 not in time",
        argument="FLAG",
    ),
    "ready": Verb(
        "tell whether a daemon, or some of its processes, are ready, for health checks; --wait waits until then",
        "0 ready, 1 not ready, 3 no daemon, 4 not permitted or unknown, 5 no such process, 124 not in time",
        argument="[NAME...]",
    ),
    "ps": Verb(
        "show the processes of a daemon, and why those that are not ready are not",
        f"{_SHOWS}, 124 no answer",
        argument="[NAME...]",
    ),
    "plan": Verb(
        "show in which order processes start, how long that took, and what they waited for",
        f"{_SHOWS}, 2 the file is wrong, 124 no answer",
        argument="[NAME...]",
    ),
    "start": Verb("start processes, and wait until they are ready", _WISHES, argument="NAME..."),
    "stop": Verb("stop processes, and wait until nothing of them runs", _WISHES, argument="NAME..."),
    "restart": Verb("stop processes, start them again, and wait until they are ready", _WISHES, argument="NAME..."),
    "logs": Verb(
        "show the last lines that a process has printed; -f shows those that follow, too",
        f"{_SHOWS}, 1 its output is not kept, 124 no answer",
        argument="NAME",
    ),
    "events": Verb(
        "show what happens in a daemon, from now on or since an event, until Ctrl-C",
        "1 the output cannot be written, 2 no such event, 3 no daemon, or it has ended, 4 not permitted or unknown, "
        "124 no answer",
    ),
    "reload": Verb(
        "let a daemon read its configuration file again, and show what has changed", f"{_ASKS}, 124 not in time"
    ),
    "shutdown": Verb(
        "stop a daemon as SIGTERM does; --wait waits until it has ended",
        "0 it stops, 1 it ended in another way, 3 no daemon, 4 not permitted or unknown, 124 not in time",
    ),
    "page": Verb(
        "show a daemon to a browser on this machine: serve its page on a loopback port, and print the address",
        "0 ended by TERM, 1 the port cannot be used, 3 no daemon, 4 not permitted or unknown, 124 no answer, "
        "130 ended by Ctrl-C",
    ),
    "signal": Verb(
        "send a signal to a running daemon, or to a process of it",
        "0 the signal was sent, 1 the process does not run, 3 no daemon runs, 4 it could not be sent, "
        "5 no such process",
        argument="NAME [process:NAME]",
    ),
    "convert": Verb(
        "print the configuration file that does what a JSON file of pymanager, a supervisord.conf or a Procfile does",
        "0 all was converted, 1 something was not, and a comment in the result says what, 2 the file cannot be read or"
        " understood",
        argument="FILE",
    ),
    "new": Verb(
        "write a new plugin package: an action, tests, metadata, a configuration, a unit, an init script, a README",
        "0 it was written, 1 it could not be written",
        argument="NAME",
    ),
    "completion": Verb(
        "print the script that completes flagman and flagmanctl in a shell",
        "0 it was printed, 1 it could not be printed, 2 there is none for this shell",
        argument="SHELL",
    ),
}

#: What arguments are, for the help.
ARGUMENTS = {
    "history": ("only the runs of this flag",),
    "trigger": ("the flag, its trigger, or a signal, such as usr1 or every-5m",),
    "ready": ("only these processes",),
    "ps": ("only these processes",),
    "plan": ("only these processes, each with the critical chain of its last start",),
    "start": ("the processes; all of them are told at once",),
    "stop": ("the processes; all of them are told at once",),
    "restart": ("the processes; all of them are told at once",),
    "logs": ("the process",),
    "signal": (
        "name or number of the signal; 0 sends none",
        "the process that gets it, and not the daemon",
    ),
    "convert": ("the file of the other program; - is the standard input",),
    "new": ("name of the package and of its action, such as acme-purge",),
    "completion": ("bash, zsh or fish",),
}

_ASKING = frozenset(VERBS) - {"convert", "new", "completion"}
_PAINTING = _ASKING - {"signal", "logs", "metrics", "page"}
_WISHING = frozenset({"start", "stop", "restart"})


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
    Option("--pid-file", "PATH", "the daemon with this pid file", _ASKING),
    Option("-c --config", "FILE", "show the order that this configuration file asks for; no daemon is asked", {"plan"}),
    Option("--json", "", "print the answer of the daemon as it is", _ASKING - {"metrics", "page"}),
    Option(
        "--color",
        "{auto,always,never}",
        "color the output (default: auto, on a terminal)",
        _PAINTING,
    ),
    Option("-w --watch", "", "show the state anew every second", {"status", "ps"}),
    Option("-n --number", "N", "show N runs or lines at most (by default all runs, or 30 lines)", {"history", "logs"}),
    Option("-f --follow", "", "go on with what the process prints, until Ctrl-C", {"logs"}),
    Option(
        "--wait",
        "[SPAN]",
        "wait for the end, for as long as SPAN at most, such as 30s",
        {"trigger", "ready", "reload", "shutdown", *_WISHING},
    ),
    Option("--since", "ID", "go on after this event: a value of the key `since` of the JSON", {"events"}),
    Option("--no-wait", "", "do not wait until the processes have done it", _WISHING),
    Option("--port", "N", "port to listen on (default: any that is free)", {"page"}),
    Option("--format", "{pymanager,supervisord,procfile}", "what FILE is (default: as it looks)", {"convert"}),
    Option("--directory", "DIR", "directory to write to (default: NAME)", {"new"}),
    Option("--init", "{lsb,openrc}", "kind of its init script (default: lsb)", {"new"}),
)
#: Ways to name the daemon, of which one is enough.
WAYS = ("--name", "--control", "--pid-file")
BY_NAME = {name: option for option in OPTIONS for name in option.names}
#: Verbs of other programs, and what they are called here. If one is a verb here, too, then what it may mean without
#: an argument.
CALLED_HERE = {
    "stop": "shutdown",
    "kill": "signal",
    "terminate": "shutdown",
    "quit": "shutdown",
    "import": "convert",
    "migrate": "convert",
    "run": "trigger",
    "raise": "trigger",
    "restart": "reload",
    "list": "status",
    "processes": "ps",
    "log": "logs",
    "tail": "logs",
    "output": "logs",
    "health": "ready",
    "watch": "events",
    "monitor": "events",
    "help": "--help",
    "version": "--version",
}
