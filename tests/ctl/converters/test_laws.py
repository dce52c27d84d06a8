"""What holds for each file of another program: what comes of it is accepted, and what cannot be read is one line."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flagman import cli
from flagman.ctl.converters import procfile, pymanager, supervisord
from flagman.exceptions import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeVar

    from flagman.ctl.converters.document import Document

    T = TypeVar("T")
    Convert = Callable[[str, str, str], Document]

LAW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
FORMATS = ["pymanager", "supervisord", "procfile"]
TEXTS = st.text(max_size=12)
ODD = st.sampled_from(["", "x y", "web", "Web", ".web", "a" * 80, "é", "\ud800", "\x00", "\x7f", '"', "\\", "~", "-1"])
ANY = st.one_of(TEXTS, ODD, st.integers(), st.floats(), st.booleans(), st.none(), st.lists(TEXTS, max_size=2))
WORDS = st.one_of(TEXTS, ODD)


def attempt(code: Callable[[], T]) -> T | None:
    """Return what code returns; None if it refuses the file, which it does in one line."""
    try:
        return code()
    except UsageError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    return None


def check(document: Document | None, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check that flagman accepts the file, if any process could be converted; a mistake is one line."""
    text = attempt(document.text) if document is not None else None
    if document is None or text is None:
        return
    path = folder / "flagman.toml"
    path.write_text(text, encoding="utf-8")
    status = cli.main(["flagman", "--check", "--config", str(path)])
    assert (status, capsys.readouterr().err) == (0, ""), text
    assert tomllib.loads(text)["process"]
    assert (document.lost == 0) == ("not converted" not in text)


VERIFIERS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["pymutils.http_verifier.HttpOkVerifier", "pymutils.exited_verifier.ExitedVerifier", "acme.Verifier", 7]
        ),
        "arguments": st.one_of(
            ANY,
            st.fixed_dictionaries(
                {},
                optional={
                    "url": st.sampled_from(["http://127.0.0.1:80/", "http://127.0.0.1:x", "ftp://x", "", 7]),
                    "timeout": ANY,
                    "interval": ANY,
                    "expect_code": ANY,
                    "headers": st.one_of(ANY, st.dictionaries(WORDS, ANY, max_size=2)),
                    "other": ANY,
                },
            ),
        ),
    },
)
PROCESSES = st.fixed_dictionaries(
    {},
    optional={
        "executable": st.one_of(st.just("true"), ANY),
        "arguments": st.one_of(st.just([]), ANY),
        "options": st.one_of(
            ANY,
            st.fixed_dictionaries(
                {},
                optional=dict.fromkeys(
                    ["suppress_output", "redirect_output", "working_directory", "environment_file", "shell", "x"], ANY
                ),
            ),
        ),
        "verifier": st.one_of(ANY, VERIFIERS),
        "more": ANY,
    },
)
SPECIFICATIONS = st.fixed_dictionaries(
    {"processes": st.dictionaries(WORDS, st.one_of(ANY, PROCESSES), min_size=1, max_size=4)},
    optional={
        "http": st.one_of(ANY, st.fixed_dictionaries({"enabled": ANY, "port": ANY})),
        "modules": st.one_of(ANY, st.dictionaries(WORDS, st.fixed_dictionaries({"verifiers": ANY}), max_size=2)),
        **dict.fromkeys(
            ["keep-alive", "keep_alive", "graceful-time", "graceful_time", "messages", "default_shell", "x"], ANY
        ),
    },
)


@LAW
@given(specification=SPECIFICATIONS)
def test_pymanager(specification: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a specification has."""
    check(pymanager.convert(json.dumps(specification), "x", str(tmp_path)), tmp_path, capsys)


VALUES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=20),
    st.sampled_from(
        [
            *(
                "true",
                "false",
                "0",
                "1",
                "-1",
                "99999999999999",
                "50MB",
                "AUTO",
                "NONE",
                "syslog",
                "/dev/stdout",
                "x.log",
            ),
            *(
                "%(ENV_HOME)s",
                "%(here)s/x",
                "%(program_name)s_%(process_num)02d",
                "%(x)s",
                "100%",
                "%%",
                "root",
                "nobody",
            ),
            *(
                "A=\"%(ENV_HOME)s\",B='x,y'",
                'FLAGMAN_X="1"',
                "A=1,A2",
                "é=1",
                "INT",
                "KILL",
                "STOP",
                "002",
                "022",
                "unexpected",
            ),
        ]
    ),
)
KEYS = (
    "process_name numprocs numprocs_start priority autostart startsecs startretries autorestart exitcodes stopsignal"
    " stopwaitsecs stopasgroup killasgroup user redirect_stderr stdout_logfile stdout_logfile_maxbytes stdout_syslog"
    " stderr_logfile stdout_events_enabled environment directory umask serverurl x"
)
OWN = "logfile logfile_maxbytes loglevel pidfile umask user directory nodaemon minfds strip_ansi environment x"
PROGRAM = st.fixed_dictionaries(
    {"command": st.one_of(st.just("true"), VALUES)}, optional=dict.fromkeys(KEYS.split(), VALUES)
)
NAMES = st.sampled_from(["web", "Web", "a b", "-x", "é", "x" * 90, "worker"])


@LAW
@given(
    own=st.fixed_dictionaries({}, optional=dict.fromkeys(OWN.split(), VALUES)),
    programs=st.dictionaries(NAMES, PROGRAM, min_size=1, max_size=3),
    others=st.dictionaries(
        st.sampled_from(["group:all", "eventlistener:x", "unix_http_server", "inet_http_server", "y"]),
        st.dictionaries(st.sampled_from(["programs", "port", "priority", "chown"]), VALUES, max_size=2),
        max_size=2,
    ),
)
def test_supervisord(
    own: dict[str, str],
    programs: dict[str, dict[str, str]],
    others: dict[str, dict[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever values the keys have."""
    sections = {"supervisord": own, **{f"program:{name}": keys for name, keys in programs.items()}, **others}
    lines = [
        line
        for name, keys in sections.items()
        for line in (f"[{name}]", *(f"{key} = {value}" for key, value in keys.items()))
    ]
    check(attempt(lambda: supervisord.convert("\n".join(lines), "x", str(tmp_path))), tmp_path, capsys)


LINES = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,70}: [^\r\n\x00]{1,20}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=20),
    st.sampled_from(["release: true && x", "web: bin/x", "web: gunicorn :$PORT", "a: cd x", "# web: x"]),
)


@LAW
@given(lines=st.lists(LINES, max_size=5), variables=st.lists(st.one_of(LINES, st.just("PORT=80")), max_size=2))
def test_procfile(lines: list[str], variables: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the lines are, and those of ``.env``."""
    (tmp_path / ".env").write_text("\n".join(variables), encoding="utf-8")
    check(attempt(lambda: procfile.convert("\n".join(lines), "x", str(tmp_path))), tmp_path, capsys)


@LAW
@given(text=st.text())
@pytest.mark.parametrize("convert", [pymanager.convert, supervisord.convert, procfile.convert], ids=FORMATS)
def test_any_text(convert: Convert, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also one that is nothing of the kind."""
    check(attempt(lambda: convert(text, "x", str(tmp_path))), tmp_path, capsys)
