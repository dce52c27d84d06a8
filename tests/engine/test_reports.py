"""What the log says about runs: one record for each, with the reason of a failure and without secrets."""

from __future__ import annotations

import logging
import re
import signal
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman import Action, ActionClosed, ActionFailed, Engine, SkipRest
from flagman.engine import titles
from flagman.engine.reports import log_cause
from flagman.exceptions import SetUpError, TearDownError
from support.driven import run
from support.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from support.driven import Flagman

    Start = Callable[..., Flagman]

TOKEN = "t0k3n of gold"


class Guarded(Action):
    """Ends as its first argument says, with its secrets in every text."""

    secret_arguments: Collection[str] = ("token", "rest")

    def set_up(self, ending: str, token: str = "", *rest: str) -> None:
        """Keep the arguments, or fail."""
        self.ending, self.words = ending, (token, *rest)
        if ending == "set_up":
            raise KeyError(token)

    def run(self) -> None:
        """End in one of many ways."""
        said = " and ".join(self.words)
        if self.ending == "remark":
            self.engine.turn.remark = f"done with {said}"
        elif self.ending == "skip":
            raise SkipRest(said)
        elif self.ending == "close":
            raise ActionClosed(said)
        elif self.ending == "fail":
            raise ActionFailed(said)
        elif self.ending == "defect":
            raise RuntimeError(said)

    def tear_down(self) -> None:
        """Fail, with a secret."""
        if self.ending == "tear_down":
            raise RuntimeError(self.words[0])


ENDINGS = {
    "good": (logging.INFO, r"succeeded in \d\.\d\d s"),
    "remark": (logging.INFO, r"succeeded in \d\.\d\d s: done with \*\*\* and \*\*\*"),
    "skip": (logging.INFO, r"succeeded in \d\.\d\d s: the actions after it are left out: \*\*\* and \*\*\*"),
    "close": (logging.INFO, r"closed after \d\.\d\d s: \*\*\* and \*\*\*"),
    "fail": (logging.ERROR, r"failed after \d\.\d\d s: \*\*\* and \*\*\*"),
    "defect": (logging.ERROR, r"failed after \d\.\d\d s: RuntimeError: \*\*\* and \*\*\*\nTraceback (?s:.*)"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_run_gives_one_record_without_secrets(ending: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a run comes to, one record names trigger, action, result and time, and no secret is in it."""
    caplog.set_level(logging.DEBUG)
    level, pattern = ENDINGS[ending]
    with Engine() as engine:
        engine.set_up("usr1", Guarded, ending, TOKEN, "0th3r", name="guard")
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        engine.run()
    records = [record for record in caplog.records if record.message.startswith("usr1: ")]
    assert [record.levelno for record in records] == [level]
    assert re.fullmatch(rf"usr1: guard {ending} \*\*\* \*\*\*: {pattern}", records[0].message)
    seen = [record.message for record in caplog.records if "ActionClosed" not in record.message]  # documented
    assert not [message for message in seen if TOKEN in message or "0th3r" in message]


def test_no_failure_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """The failures of set_up and tear_down hide secrets in their messages and their tracebacks."""
    with pytest.raises(Exception, match="tear_down"), Engine() as engine:
        with pytest.raises(SetUpError) as caught:
            engine.set_up("usr1", Guarded, "set_up", TOKEN)
        log_cause(caught.value)
        engine.set_up("usr1", Guarded, "tear_down", TOKEN)
    assert str(caught.value) == "setting up `Guarded set_up ***` failed: KeyError: '***'"
    assert caplog.text.count("Traceback") == 2
    assert TOKEN not in caplog.text


class Plain(Action):
    """Takes some arguments."""

    def set_up(self, *args: str) -> None:
        """Take them."""

    def run(self) -> None:
        """Do nothing."""


@given(st.lists(st.text(max_size=5), max_size=4), st.sets(st.sampled_from(["ending", "token", "rest"])))
def test_open_arguments_hide_what_is_declared(arguments: list[str], declared: set[str]) -> None:
    """Exactly the arguments of the declared parameters are hidden, and as many words are shown as were given."""

    class Declared(Guarded):
        """Declares other secrets."""

        secret_arguments = tuple(declared)

    shown = titles.open_arguments(Declared, arguments)
    names = ["ending", "token", "rest", "rest"]
    assert shown == tuple(
        titles.HIDDEN if name in declared else word for word, name in zip(arguments, names, strict=False)
    )
    wrapped = type("Wrapped", (Declared,), {"set_up": _wrapped(Declared.set_up)})
    assert titles.open_arguments(wrapped, arguments) == shown
    assert titles.open_arguments(Plain, arguments) == tuple(arguments)


def _wrapped(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    def wrapper(*args: str) -> None:
        function(*args)

    return wrapper


def test_a_title_is_what_was_typed() -> None:
    """A title is what a shell would take, in one line."""
    assert titles.title("sh", ["nginx -t && echo it's good"]) == "sh 'nginx -t && echo it'\"'\"'s good'"
    assert titles.title("exec", ["ls", "-l", "/tmp/a b", ""]) == "exec ls -l '/tmp/a b' ''"
    assert titles.title("print", ["a\nb"]) == r"print 'a\nb'"
    assert len(titles.title("print", ["x" * 1000])) <= 300


def test_secrets_of_the_command(start: Start, tmp_path: Path) -> None:
    """A token of http is in no line of the log and in no unit on stdout, but in the configuration and in --into."""
    words = ["http", "POST", "http://127.0.0.1:9/x", "header=Authorization: Bearer s3cr3t", "b0dy-and-more"]
    daemon = start("-vv", "--usr1", *words).ready().signal(signal.SIGUSR1)
    daemon.expect_error("usr1: http POST http://127.0.0.1:9/x *** ***: failed after ")
    daemon.stop()
    assert not [line for line in daemon.err.rest() if "s3cr3t" in line or "b0dy" in line]
    config = run("--print-config", "--usr1", *words).stdout
    assert "s3cr3t" in config
    assert "b0dy" in config
    unit = run("--print-unit", "--usr1", *words).stdout
    assert "s3cr3t" not in unit
    assert unit.startswith("# This unit cannot be used as it stands: ***")
    assert run("--print-unit", "--into", str(tmp_path), "--usr1", *words).returncode == 0
    (path,) = tmp_path.iterdir()
    assert "s3cr3t" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "#" not in path.read_text(encoding="utf-8").partition("\n")[0]
    for mistake in (["http", "POST"], ["http", "P T", *words[2:]], [*words, "a second one"]):
        assert "s3cr3t" not in run("--usr1", *mistake).stderr
    assert "s3cr3t" not in run("--dry-run", "--once", "--run-at-start", "--usr1", *words).stderr


def test_the_traceback_of_an_import_is_for_vv(tmp_path: Path) -> None:
    """An action that cannot be imported is one line, and -vv shows where its module is broken."""
    (tmp_path / "mine.py").write_text("import nothing_of_this_name\n", encoding="utf-8")
    for option, count in (("-v", 0), ("-vv", 1)):
        done = run(option, "--pythonpath", str(tmp_path), "--usr1", "mine:Mine")
        assert done.returncode == 2
        assert done.stderr.count("Traceback (most recent call last)") == count
        assert done.stderr.count("Where it failed:") == count
        assert done.stderr.splitlines()[-1].startswith("flagman: error: --usr1: the action 'mine:Mine' is broken: ")


class MuteError(RuntimeError):
    """An exception that cannot tell its text."""

    def __str__(self) -> str:
        """Fail."""
        raise TypeError("no text")


class LeavingError(Exception):
    """An exception with a text that ends the program."""

    def __str__(self) -> str:
        """End the program."""
        raise SystemExit(3)


@pytest.mark.parametrize("kind", [MuteError, LeavingError, type("MuteValueError", (MuteError, ValueError), {})])
def test_an_exception_without_a_text(kind: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    """An exception that cannot tell its text is a failed run, and not the end of the engine."""

    def fail(_: str) -> None:
        raise kind

    Recorder.during_run = fail
    try:
        with Engine() as engine:
            engine.set_up("usr1", Recorder, "a")
            engine.follow(engine.choices, once=True)
            engine.raise_flag("usr1")
            engine.run()
    finally:
        Recorder.during_run = None
    assert "its text cannot be shown" in caplog.messages[0]


FORGED = "no\nINFO:flagman.core:usr1: exec true: succeeded in 0.31 s\x1b[2J\r\n  more"


@pytest.mark.parametrize("ending", ["remark", "skip", "close", "fail"])
def test_no_text_of_an_action_looks_like_a_record(ending: str, caplog: pytest.LogCaptureFixture) -> None:
    """Further lines of a reason are indented, and show control characters as escapes."""
    caplog.set_level(logging.INFO)
    with Engine() as engine:
        engine.set_up("usr1", Forger, ending)
        engine.follow(engine.choices, once=True)
        engine.raise_flag("usr1")
        engine.run()
    (record,) = [record for record in caplog.records if record.message.startswith("usr1: ")]
    lines = record.message.splitlines()
    assert lines[1:] == [r"  INFO:flagman.core:usr1: exec true: succeeded in 0.31 s\x1b[2J", "  more"]


class Forger(Guarded):
    """Writes a text that looks like a record."""

    def set_up(self, ending: str, *_: str) -> None:
        """Keep the ending."""
        self.ending, self.words = ending, (FORGED,)


SECRETS = {
    "lines": "-----BEGIN KEY-----\nabcd efgh\n-----END KEY-----",
    "spaces": "one  two   three",
    "long": "k" * 5000,
    "quoted": 'it\'s a "secret" with \\',
    "control": "bell\x07inside",
}


@pytest.mark.parametrize("ending", [*ENDINGS, "set_up", "tear_down", "callback", "observer"])
@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_of_any_form_are_hidden_everywhere(ending: str, secret: str, caplog: pytest.LogCaptureFixture) -> None:
    """No part of a secret that is recognizable is in any record, in whatever form it is repeated."""
    caplog.set_level(logging.DEBUG)
    token = SECRETS[secret]
    with suppress(SetUpError, TearDownError), Engine() as engine:
        try:
            engine.set_up("usr1", Guarded, ending, token)
        except SetUpError as error:
            log_cause(error)
            logging.getLogger().error("%s", error)  # noqa: TRY400 - without its traceback, as the command prints it
            raise
        if ending == "callback":
            engine.call_later(0, _raise, repr(token), token)
        if ending == "observer":
            engine.observe(lambda _: _raise(token))
        engine.follow(engine.choices, once=True)
        engine.call_later(0, engine.raise_flag, "usr1")
        engine.run()
    assert caplog.records
    for form in (token, " ".join(token.split()), repr(token)[1:-1], _visible(token)):
        assert form not in caplog.text


def _visible(token: str) -> str:
    return token[:200]


def _raise(*words: str) -> None:
    raise RuntimeError(" and ".join(words))
