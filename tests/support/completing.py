"""Makes the scripts that complete command lines in shells, of the tables of the source and a frame for each shell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flagman.actions import BUILT_IN
from flagman.actions.arguments import arity
from flagman.actions.catalog import Catalog
from flagman.config.binders import TRIGGERS
from flagman.config.options import OPTIONS
from flagman.config.values import Path as PathKind
from flagman.ctl import verbs
from flagman.text.signames import bindable
from flagman.triggers.by_process import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flagman.config import rows

FRAMES = Path(__file__).parent / "completions"
SHELLS = ("bash", "zsh", "fish")
#: More words than any action has.
MANY = 1_000_000

#: The words of each built-in action: what kinds of values they are.
WORDS = {
    "print": ["text"],
    "delay_print": ["text", "text"],
    "print_once": ["text"],
    "exec": ["command"],
    "sh": ["shell-command"],
    "http": ["one-of:GET,HEAD,POST,PUT,PATCH,DELETE", "text"],
    "signal": ["any-signal", "target"],
    "start_process": ["process"],
    "stop_process": ["process"],
    "restart_process": ["process"],
    "touch": ["file"],
    "log": ["one-of:debug,info,warning,error,critical", "text"],
    "log_statistics": ["one-of:debug,info,warning,error,critical"],
    "dump_status": ["file"],
    "reload": [],
    "stop": [],
}
#: The kinds of values of some options, by setting, where neither the class nor the placeholder tells.
OF_OPTIONS = {
    "stop_signal": "signal",
    "user": "user",
    "group": "group",
    "control_group": "group",
    "list": "action",
    "control": "file",
}
#: Those of the words before the action, by placeholder.
OF_TRIGGERS = {"NAME": "signal", "SPAN": "text", "PATH": "file", "NAME:EVENT": "event"}
#: Those of the words after a verb of flagmanctl, and of its options, by placeholder; others are texts.
OF_VERBS = {
    "FLAG": "flag",
    "NAME": "running",
    "FILE": "file",
    "PATH": "file",
    "DIR": "dir",
    "SHELL": "one-of:bash,zsh,fish",
}
#: Those of verbs for which the placeholder does not tell.
OF_SOME_VERBS = {"signal": ["any-signal", "running-target"], "new": ["text"]}

#: What signals are for, by name; only those that most systems have.
SIGNALS = {
    "HUP": "hang-up, or: read the configuration again",
    "INT": "interrupt, as Ctrl-C sends it",
    "QUIT": "quit, as Ctrl-\\ sends it",
    "ILL": "illegal instruction",
    "TRAP": "trap of a debugger",
    "ABRT": "abort",
    "BUS": "bus error",
    "FPE": "arithmetic error",
    "KILL": "kill at once",
    "USR1": "for programs to define",
    "SEGV": "invalid memory reference",
    "USR2": "for programs to define",
    "PIPE": "nothing reads the pipe",
    "ALRM": "alarm clock",
    "TERM": "terminate",
    "CHLD": "a child has ended",
    "CONT": "go on",
    "STOP": "stand still",
    "TSTP": "stand still, as Ctrl-Z sends it",
    "TTIN": "read in the background",
    "TTOU": "write in the background",
    "URG": "urgent data on a socket",
    "XCPU": "too much CPU time",
    "XFSZ": "file too large",
    "VTALRM": "virtual alarm clock",
    "PROF": "profiling clock",
    "WINCH": "the terminal has another size",
    "IO": "input or output is possible",
    "PWR": "power fails",
    "SYS": "bad system call",
} | {f"RTM{'IN+' if low else 'AX-'}{n}": "real time" for low, r in ((1, range(16)), (0, range(14, -1, -1))) for n in r}


class Row(NamedTuple):
    """An option: its names, the kind of its value, what it does, and whether it may be given again."""

    names: tuple[str, ...]
    kind: str
    explanation: str
    is_repeated: bool = False


def brief(explanation: str) -> str:
    """Return the beginning of an explanation, for one line."""
    return explanation.partition(" (")[0].partition("; ")[0]


def kind_of(option: rows.Option) -> str:
    """Return the kind of value of an option of flagman; a question mark means that it may be left out."""
    kind = option.kind
    if not kind.takes_value:
        return "switch"
    found = f"one-of:{','.join(kind.choices)}" if kind.choices else OF_OPTIONS.get(option.setting, "text")
    if isinstance(kind, PathKind):
        found = "dir" if kind.metavar == "DIR" else "file"
    return f"{found}?" if kind.is_optional else found


HELP = (Row(("-h", "--help"), "switch", "show the help"), Row(("-V", "--version"), "switch", "show the version"))


def options() -> list[Row]:
    """Return the options of flagman that bind no action."""
    return [
        *(Row(o.names, kind_of(o), brief(o.explanation), o.kind.action in {"extend", "count"}) for o in OPTIONS),
        *HELP,
    ]


def sources() -> list[Row]:
    """Return the options of flagman that bind an action, with the kinds of the word before it."""
    return [
        Row((t.name,), OF_TRIGGERS[t.value] if t.value else "", brief(t.explanation), is_repeated=True)
        for t in TRIGGERS.values()
    ]


def of_placeholder(placeholder: str) -> str:
    """Return the kind of value that a placeholder of flagmanctl stands for."""
    word = placeholder.strip("[]").rstrip(".")
    found = f"one-of:{word[1:-1]}" if word.startswith("{") else OF_VERBS.get(word, "text")
    return f"{found}?" if placeholder.startswith("[") else found


def ctl_options(verb: str = "") -> list[Row]:
    """Return the options of flagmanctl, or those of one verb."""
    found = [o for o in verbs.OPTIONS if not verb or verb in o.verbs]
    return [
        *(
            Row(
                o.names,
                "daemon" if o.names == ("--name",) else of_placeholder(o.metavar) if o.metavar else "switch",
                brief(o.explanation),
            )
            for o in found
        ),
        *HELP,
    ]


def words_of(verb: str) -> list[str]:
    """Return the kinds of the words after a verb."""
    return OF_SOME_VERBS.get(verb) or [of_placeholder(word).rstrip("?") for word in verbs.VERBS[verb].argument.split()]


def is_bindable(name: str) -> bool:
    """Return whether a signal may have actions."""
    try:
        bindable(name)
    except ValueError:
        return False
    return True


def action_lines() -> dict[str, tuple[int, int, list[str], str]]:
    """Return the built-in actions: the fewest and the most words, the kinds of these, and the first sentence."""
    catalog = Catalog()
    found = {}
    for name in BUILT_IN:
        least, most = arity(catalog[name])
        text = (catalog[name].__doc__ or "").partition("\n\n")[0]
        first = " ".join(text.split()).partition(". ")[0].removesuffix(".")
        found[name] = (least, MANY if most is None else most, WORDS[name], brief(first))
    return found


def made(shell: str) -> str:
    """Return the script for a shell."""
    frame = next(FRAMES.glob(f"*.{shell}")).read_text(encoding="utf-8")
    for place, text in FILLINGS[shell]().items():
        assert f"@{place}@" in frame, place
        frame = frame.replace(f"@{place}@", text)
    return frame


def _cases(found: Iterable[tuple[str, str]], indent: str = "    ") -> str:
    """Return lines of a case statement; patterns that lead to the same are in one."""
    by_text: dict[str, list[str]] = {}
    for pattern, text in found:
        by_text.setdefault(text, []).append(pattern)
    lines = []
    for text, patterns in by_text.items():
        lines.append(f"{indent}{' | '.join(patterns)}) {text} ;;")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _listed(found: Iterable[Row]) -> str:
    words = ["|".join(f"{name}{'+' * row.is_repeated}" for name in row.names) for row in found]
    return " ".join(f"'{word}'" if "|" in word else word for word in words)


def _kinds(found: Iterable[Row]) -> str:
    return _cases((name, f"kind={_quoted(row.kind)}") for row in found for name in row.names)


def _short_switches() -> str:
    """Return the letters of the options that take no value."""
    return "".join(name[1] for row in options() if row.kind == "switch" for name in row.names if len(name) == 2)


def _bash() -> dict[str, str]:
    all_words = {name: words_of(name) for name in verbs.VERBS}
    several = {name for name, verb in verbs.VERBS.items() if "..." in verb.argument}
    return {
        "KINDS": _kinds(options()),
        "SOURCES": _kinds(sources()),
        "ACTIONS": _cases(
            (name, f"least={least} most={most} kinds=({' '.join(map(_quoted, kinds))})")
            for name, (least, most, kinds, _) in action_lines().items()
        ),
        "CTL_KINDS": _kinds(ctl_options()),
        "VERBS": "\n".join(
            [
                *(
                    f"    {name}) kinds=({' '.join(map(_quoted, kinds))}) several='{'1' * (name in several)}'"
                    f" options=({_listed(ctl_options(name))}) ;;"
                    for name, kinds in all_words.items()
                ),
                f"    *) options=({_listed(ctl_options())}) ;;",
            ]
        ),
        "ACTION_NAMES": " ".join(BUILT_IN),
        "BINDABLE": " ".join(filter(is_bindable, SIGNALS)),
        "SIGNALS": " ".join(SIGNALS),
        "EVENTS": " ".join(EVENTS),
        "SOURCE_NAMES": _listed(sources()),
        "OPTION_NAMES": _listed(options()),
        "VERB_NAMES": " ".join(verbs.VERBS),
        "SWITCHES": _short_switches(),
    }


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_cases(found: Iterable[tuple[str, str]]) -> str:
    """Return cases, each of which prints a text; each word is in a line."""
    by_text: dict[str, list[str]] = {}
    for word, text in found:
        by_text.setdefault(text, []).append(word)
    return "\n".join(
        f"        case {' '.join(words)}\n            printf '%s\\n' {' '.join(map(_fish_quoted, text.split(' ')))}"
        for text, words in by_text.items()
    )


_AGAIN = ("once", "again")


def _fish_options(found: Iterable[Row], indent: str = "    ") -> str:
    return "\n".join(
        f"{indent}__flagman_{_AGAIN[row.is_repeated]} {' '.join(row.names)} {_fish_quoted(row.explanation)}"
        for row in found
    )


def _fish_explained(found: Mapping[str, str], start: str = "") -> str:
    return start + " ".join(_fish_quoted(f"{name}\t{text}") for name, text in found.items())


def _fish() -> dict[str, str]:
    cases = _fish_cases
    several = {name for name, verb in verbs.VERBS.items() if "..." in verb.argument}
    texts = {name: text for name, (*_, text) in action_lines().items()}
    bindable_ones = {name: text for name, text in SIGNALS.items() if is_bindable(name)}
    return {
        "KINDS": cases((name, row.kind) for row in options() for name in row.names),
        "SOURCES": cases((name, row.kind) for row in sources() for name in row.names),
        "ACTIONS": cases(
            (name, " ".join([str(least), str(most), *kinds]))
            for name, (least, most, kinds, _) in action_lines().items()
        ),
        "CTL_KINDS": cases((name, row.kind) for row in ctl_options() for name in row.names),
        "VERBS": cases(
            (name, " ".join([*words_of(name), *(["..."] if name in several else [])]))
            for name in verbs.VERBS
            if words_of(name)
        ),
        "VERB_OPTIONS": "\n".join(
            f"        case {name or _fish_quoted('*')}\n{_fish_options(ctl_options(name), ' ' * 12)}"
            for name in (*verbs.VERBS, "")
        ),
        "SOURCE_NAMES": _fish_options(sources()),
        "OPTION_NAMES": _fish_options(options()),
        "ACTION_NAMES": "{" + ",".join(_fish_quoted(f"{name}\t{text}") for name, text in texts.items()) + "}",
        "BINDABLE": _fish_explained(bindable_ones),
        "SIGNALS": _fish_explained(SIGNALS),
        "EVENTS": "{" + ",".join(EVENTS) + "}",
        "SWITCHES": _short_switches(),
        "VERB_NAMES": "\n".join(
            f"        printf '%s\\t%s\\n' {name} {_fish_quoted(brief(verb.explanation))}"
            for name, verb in verbs.VERBS.items()
        ),
    }


def _zsh_options(found: Iterable[Row], indent: str) -> str:
    return "\n".join(
        indent + _quoted("|".join(name + "+" * row.is_repeated for name in row.names) + f" {row.explanation}")
        for row in found
    )


def _zsh_explained(found: Mapping[str, str]) -> str:
    return " ".join(_quoted(f"{name}:{text}") for name, text in found.items())


def _zsh() -> dict[str, str]:
    several = {name for name, verb in verbs.VERBS.items() if "..." in verb.argument}
    lines = []
    for name in (*verbs.VERBS, ""):
        kinds = " ".join(map(_quoted, words_of(name))) if name else ""
        lines += [
            f"    {name or '*'})",
            f"        kinds=({kinds}) several={'1' * (name in several)}",
            "        options=(",
            _zsh_options(ctl_options(name), " " * 12),
            "        )",
            "        ;;",
        ]
    return {
        **{name: text for name, text in _bash().items() if name in {"KINDS", "SOURCES", "ACTIONS", "CTL_KINDS"}},
        "VERBS": "\n".join(lines),
        "SOURCE_NAMES": _zsh_options(sources(), " " * 8),
        "OPTION_NAMES": _zsh_options(options(), " " * 8),
        "ACTION_NAMES": _zsh_explained({name: text for name, (*_, text) in action_lines().items()}),
        "BINDABLE": _zsh_explained({name: text for name, text in SIGNALS.items() if is_bindable(name)}),
        "SIGNALS": _zsh_explained(SIGNALS),
        "EVENTS": " ".join(EVENTS),
        "SWITCHES": _short_switches(),
        "VERB_NAMES": _zsh_explained({name: brief(verb.explanation) for name, verb in verbs.VERBS.items()}),
    }


FILLINGS: dict[str, Callable[[], dict[str, str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
