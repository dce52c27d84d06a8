"""The start of a process as its plan says, with real processes."""

from __future__ import annotations

import errno
import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman.children import pidfd
from flagman.exceptions import FlagmanError, UsageError
from flagman.supervise.ends import StartError
from flagman.supervise.launch import shim, steps
from flagman.supervise.launch.launch import Launch
from support.driven import descriptors, settle, wait_for
from support.imports import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagman.supervise.instance import Instance
    from support.looping import Looping

CORE = resource.RLIMIT_CORE
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that")
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


class Life:
    """A life of a process, with what it writes.

    :param launch: starts it
    :param words: another command
    :param environment: what is added for it
    :param streams: more descriptors of its own
    """

    def __init__(
        self,
        looping: Looping,
        launch: Launch,
        words: Sequence[str] | None = None,
        environment: Mapping[bytes, bytes] | None = None,
        streams: Mapping[int, int] | None = None,
    ) -> None:
        self._looping = looping
        self._launch = launch
        self._reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            self.instance: Instance = looping.do(
                lambda: launch.start(
                    words,
                    environment=environment or {},
                    streams={0: null, 1: writer, 2: writer, **(streams or {})},
                    loop=looping.loop,
                    on_end=lambda: None,
                )
            )
        except BaseException:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)
            os.close(null)

    def output(self) -> str:
        """Return what it writes until its end."""
        with os.fdopen(self._reader, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def end(self) -> tuple[int | None, str]:
        """Wait for its end, and return its exit status and what has failed before it."""
        self._looping.wait_for(self.instance.has_ended)
        trouble = self._looping.do(self.trouble)
        return self._looping.do(self.instance.reap), trouble

    def trouble(self) -> str:
        """Return what has failed; in the loop."""
        return self._launch.trouble(self.instance)


def command_of(pid: int) -> str:
    """Return the words of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")


def plan(command: Sequence[str], **changes: object) -> Launch:
    """Return a launch with nothing but a command, except for what is changed."""
    choices: dict[str, object] = {
        "directory": None,
        "environment": {},
        "user": None,
        "group": None,
        "umask": None,
        "nice": None,
        "limits": {},
        "base": {b"PATH": os.environb[b"PATH"]},
        "start_directory": "/",
        **changes,
    }
    return Launch(command=command, **choices)  # type: ignore[arg-type]


WAYS = pytest.mark.parametrize("changes", [{}, {"umask": 0o022}], ids=["plain", "shim"])


@LINUX
@WAYS
def test_a_life(looping: Looping, changes: dict[str, object]) -> None:
    """A process gets its words and its environment, leads a session, and ends with its status."""
    line = 'echo "$0 $1 $A"; tr "\\0" " " </proc/$$/environ; echo; cut -d" " -f1,5,6 /proc/$$/stat; exit 7'
    base = {b"PATH": os.environb[b"PATH"], b"B": b"base"}
    launch = plan(["sh", "-c", line, "zero", "one two"], environment={"A": "1"}, base=base, **changes)
    life = Life(looping, launch, environment={b"B": b"\xff"})
    words, environment, numbers = life.output().splitlines()
    pid = life.instance.pid
    assert life.end() == (7, "")
    assert words == "zero one two 1"
    assert sorted(environment.split()) == sorted(["A=1", "B=\\xff", f"PATH={os.environ['PATH']}"])
    assert numbers == f"{pid} {pid} {pid}"


@LINUX
@WAYS
def test_no_other_descriptor(looping: Looping, changes: dict[str, object], tmp_path: Path) -> None:
    """A process has the descriptors that it was given, each at its number, and no other one."""
    inherited = os.dup(0)
    os.set_inheritable(inherited, True)  # noqa: FBT003 - the only parameter there is
    files = [os.open(tmp_path / str(number), os.O_CREAT | os.O_WRONLY) for number in range(3)]
    # They would overwrite each other, and one is at its place already.
    streams = {files[0]: files[1], files[1]: files[0], files[2]: files[2]}
    life = Life(looping, plan(["sh", "-c", "echo $$; exec sleep 1000"], **changes), streams=streams)
    wait_for(lambda: command_of(life.instance.pid).startswith("sleep"))
    settle(life.instance.pid)  # it opens libraries at first
    found = descriptors(life.instance.pid)
    for descriptor in (inherited, *files):
        os.close(descriptor)
    expected = {str(number): str(tmp_path / str(place)) for number, place in zip(files, (1, 0, 2), strict=True)}
    assert {number: path for number, path in found.items() if int(number) > 2} == expected
    looping.do(lambda: life.instance.send(signal.SIGTERM))
    assert life.end() == (-signal.SIGTERM, "")
    life.output()


def status_of(pid: int) -> dict[str, str]:
    """Return the fields of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@LINUX
@WAYS
def test_signals(looping: Looping, changes: dict[str, object]) -> None:
    """A process ignores no signal and has none blocked, though the loop's thread has, and Python handles some."""
    life = Life(looping, plan(["sleep", "1000"], **changes))
    wait_for(lambda: command_of(life.instance.pid).startswith("sleep"))
    found = status_of(life.instance.pid)
    looping.do(lambda: life.instance.send(signal.SIGKILL))
    # The C library keeps 32 and 33 for its threads.
    assert int(found["SigIgn"], 16) & ~(1 << 31 | 1 << 32) == 0
    assert {int(found[name], 16) for name in ("SigBlk", "SigCgt")} == {0}
    assert life.end() == (-signal.SIGKILL, "")
    assert life.output() == ""


@ROOT
@LINUX
def test_all_steps(looping: Looping, open_path: Path) -> None:
    """Limits, niceness, user, umask and directory are as asked for, and the variables are those of the user."""
    line = (
        "umask; ulimit -n; ulimit -Hn; ulimit -c; nice; pwd; id -u; id -g; id -G;"
        ' echo "$HOME $USER $LOGNAME ${SHELL-none} ${XDG_RUNTIME_DIR-none} $PWD"'
    )
    (open_path / "in").mkdir(mode=0o755)
    launch = plan(
        ["sh", "-c", line],
        directory=str(open_path / "in"),
        user="nobody",
        umask=0o027,
        nice=os.nice(0) + 5,
        limits={"nofile": (100, 200), "core": (0, 0)},
        base={b"PATH": os.environb[b"PATH"], b"SHELL": b"/bin/bash", b"XDG_RUNTIME_DIR": b"/run/user/0", b"PWD": b"/"},
    )
    life = Life(looping, launch)
    entry = pwd.getpwnam("nobody")
    groups = " ".join(map(str, [entry.pw_gid, *sorted(set(os.getgrouplist("nobody", entry.pw_gid)) - {entry.pw_gid})]))
    assert life.output().splitlines() == [
        *("0027", "100", "200", "0", str(os.nice(0) + 5), str(open_path / "in")),
        *(str(entry.pw_uid), str(entry.pw_gid), groups),
        f"{entry.pw_dir} nobody nobody {steps._shell(entry.pw_uid) or b'none'!r} none {open_path / 'in'}".replace(
            "b'none'", "none"
        ),
    ]
    assert life.end() == (0, "")


@ROOT
def test_a_user_by_number_and_a_group(looping: Looping) -> None:
    """A number without a name has no login, and its group has to be given; environment comes last."""
    with pytest.raises(UsageError, match="give a group, too"):
        plan(["id"], user="54321")
    with pytest.raises(UsageError, match="no such user 'nobodyx'"):
        plan(["id"], user="nobodyx")
    with pytest.raises(UsageError, match="no such group 'nobodyx'"):
        plan(["id"], group="nobodyx")
    line = "id -u; id -G; echo $HOME ${USER-none}"
    base = {b"PATH": os.environb[b"PATH"], b"USER": b"root"}
    life = Life(looping, plan(["sh", "-c", line], user="54321", group="12345", environment={"HOME": "/x"}, base=base))
    assert life.output().splitlines() == ["54321", "12345", "/x none"]
    assert life.end() == (0, "")
    life = Life(looping, plan(["sh", "-c", line], group="12345", environment={"HOME": "/x"}, base=base))
    assert life.output().splitlines() == ["0", "12345", "/x root"]
    assert life.end() == (0, "")


@ROOT
def test_the_groups_of_a_user(looping: Looping, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user has all of its groups, and none of those of flagman."""
    monkeypatch.setattr(os, "getgrouplist", lambda _, gid: [7, 5, gid])
    life = Life(looping, plan(["id", "-G"], user="nobody"))
    assert life.output() == f"{pwd.getpwnam('nobody').pw_gid} 5 7\n"
    assert life.end() == (0, "")


def test_a_limit_that_is_lifted(looping: Looping) -> None:
    """The number -1 stands for no limit."""
    life = Life(looping, plan(["sh", "-c", "ulimit -c"], limits={"core": (-1, resource.getrlimit(CORE)[1])}))
    expected = "unlimited" if resource.getrlimit(CORE)[1] == resource.RLIM_INFINITY else None
    output = life.output().strip()
    status, trouble = life.end()
    assert (output, status, trouble) == ("unlimited", 0, "") or expected is None


@pytest.mark.parametrize(
    ("changes", "trouble", "status"),
    [
        ({"directory": "/no/such"}, "directory '/no/such': No such file or directory", 126),
        ({"directory": "/dev/null"}, "directory '/dev/null': Not a directory", 126),
        ({"limits": {"nofile": (20, 10)}}, "limits.nofile: current limit exceeds maximum limit", 126),
        ({"limits": {"sheep": (1, 1)}}, "limits.sheep: module 'resource' has no attribute 'RLIMIT_SHEEP'", 126),
        ({"limits": {"nofile": (10**30, 10**30)}}, "limits.nofile: ", 126),
        ({"umask": 0o22, "command": ["./bad"]}, "exec: Exec format error; a script begins with a line such as", 126),
        (
            {"umask": 0o22, "command": ["./lost"]},
            "exec: No such file or directory; the file is there, but the interpreter that its first line names is not",
            127,
        ),
    ],
)
def test_a_step_that_fails(
    looping: Looping, changes: dict[str, object], trouble: str, status: int, tmp_path: Path
) -> None:
    """A step that fails is told by its name, with the text of the system."""
    for name, text in (("bad", "\0\0"), ("lost", "#!/no/such\n")):
        (tmp_path / name).write_text(text, encoding="ascii")
        (tmp_path / name).chmod(0o755)
    life = Life(looping, plan(**{"command": ["true"], "start_directory": str(tmp_path), **changes}))  # type: ignore[arg-type]
    assert life.output() == ""
    found = life.end()
    assert found[0] == status
    assert found[1].startswith(trouble)
    assert looping.do(life.trouble) == found[1], "also after it has been reaped"


@pytest.fixture(name="_unprivileged")
def _may_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take the right to change users, priorities and limits from the shim."""
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv(1)")
        rights = "-setuid,-setgid,-sys_nice,-sys_resource"
        path = tmp_path / "python"
        path.write_text(f'#!/bin/sh\nexec setpriv --bounding-set={rights} {sys.executable} "$@"\n', encoding="ascii")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))


@LINUX
@pytest.mark.usefixtures("_unprivileged")
@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"user": "nobody"}, "user: Operation not permitted"),
        ({"group": "12345"}, "group: Operation not permitted"),
        ({"nice": -20}, "nice: Permission denied"),
        ({"limits": {"nofile": (2**40, 2**40)}}, "limits.nofile: not allowed to raise maximum limit"),
    ],
)
def test_what_only_root_may_do(looping: Looping, changes: dict[str, object], trouble: str) -> None:
    """Without the right, the step is named."""
    life = Life(looping, plan(["true"], **changes))
    assert life.output() == ""
    assert life.end() == (126, trouble)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do that")
def test_the_same_user_needs_no_right(looping: Looping) -> None:
    """To become the user that flagman is already needs no right."""
    life = Life(looping, plan(["id", "-u"], user=str(os.getuid())))
    assert life.output() == f"{os.getuid()}\n"
    assert life.end() == (0, "")


@ROOT
def test_a_program_of_another_user(looping: Looping, open_path: Path) -> None:
    """Whether the user may run the program, and enter the directory, shows as that user."""
    (open_path / "mine").mkdir(mode=0o700)
    (open_path / "mine" / "it").write_text("#!/bin/sh\n", encoding="ascii")
    (open_path / "mine" / "it").chmod(0o755)
    life = Life(looping, plan([str(open_path / "mine" / "it")], user="nobody"))
    assert life.end() == (126, "exec: Permission denied")
    life.output()
    life = Life(looping, plan(["true"], user="nobody", directory=str(open_path / "mine")))
    mine = str(open_path / "mine")
    assert life.end() == (126, f"directory {mine!r}: Permission denied")
    life.output()


@WAYS
def test_the_look_up(looping: Looping, changes: dict[str, object], tmp_path: Path) -> None:
    """A name is looked for in the PATH of the process, a path is relative to where flagman was started."""
    for folder, mode in (("bin", 0o755), ("first", 0o644)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "it").write_text(f"#!/bin/sh\necho {folder} $0 $1", encoding="ascii")
        (tmp_path / folder / "it").chmod(mode)
    (tmp_path / "first" / "sh").mkdir()
    changes = {**changes, "start_directory": str(tmp_path), "environment": {"PATH": "none:first:bin:/bin:/usr/bin"}}
    for words in (["it", "1"], ["bin/it", "1"], ["./bin/it", "1"]):
        life = Life(looping, plan(["false"], **changes), words)
        assert life.output() == f"bin {tmp_path}/bin/it 1\n"
        assert life.end() == (0, "")


@WAYS
@pytest.mark.parametrize(
    ("command", "reason", "status"),
    [
        ("no-such", "cannot start 'no-such': No such file or directory", 127),
        ("two words", "it is one word here", 127),
        ("", "No such file or directory", 127),
        ("./none", "cannot start '/none': No such file or directory", 127),
        ("./dev/null/x", "cannot start '/dev/null/x': Not a directory", 127),
        ("/dev", "Is a directory", 126),
        ("/etc/passwd", "Permission denied", 126),
        ("passwd-file", "Permission denied", 126),
        ("nul\0", "null", 126),
        ("./nul\0", "null", 126),
    ],
)
def test_what_cannot_be_started(  # noqa: PLR0917 - what a row has
    looping: Looping, changes: dict[str, object], command: str, reason: str, status: int, tmp_path: Path
) -> None:
    """What is not there or cannot be run is known at once."""
    (tmp_path / "passwd-file").write_text("", encoding="ascii")
    changes = {**changes, "environment": {"PATH": f"{tmp_path}:/bin:/usr/bin"}}
    with pytest.raises(StartError) as caught:
        Life(looping, plan([command], **changes))
    assert reason in str(caught.value)
    assert caught.value.exit_code == status


def test_a_bad_interpreter(looping: Looping, tmp_path: Path) -> None:
    """If the program's own interpreter is missing, that is the reason."""
    path = tmp_path / "lost"
    path.write_text("#!/no/such\n", encoding="ascii")
    path.chmod(0o755)
    with pytest.raises(StartError, match="the interpreter that its first line names is not") as caught:
        Life(looping, plan([str(path)]))
    assert caught.value.exit_code == 127


@pytest.mark.parametrize("executable", ["", "/no/such/python"])
def test_without_python(looping: Looping, executable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an interpreter the steps cannot be taken, and the message says so."""
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the numbers
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(StartError, match="interpreter is not known" if not executable else "/no/such/python'.* needs"):
        Life(looping, plan(["true"], umask=0o22))
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - the numbers


@WAYS
@pytest.mark.parametrize("what", ["posix_spawnp", "pipe"])
def test_a_shortage(looping: Looping, changes: dict[str, object], what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system is short of something, the start has failed, and nothing is left behind."""
    before = looping.do(lambda: os.listdir("/proc/self/fd"))  # noqa: PTH208 - the numbers
    launch = plan(["true"], **changes)

    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def start() -> Instance:
        with monkeypatch.context() as patch:
            patch.setattr(os, what, fail)
            return launch.start(environment={}, streams={}, loop=looping.loop, on_end=lambda: None)

    if what == "pipe" and not changes:
        pytest.skip("needs none")
    with pytest.raises(StartError, match=r"cannot start '/.*true': Resource temporarily unavailable") as caught:
        looping.do(start)
    assert caught.value.exit_code == 1
    assert looping.do(lambda: os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - the numbers


@LINUX
def test_the_shim_does_not_load_what_is_for_the_program(
    looping: Looping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The libraries of the program may be its user's, and the shim may be root: it loads those of flagman alone."""
    report = tmp_path / "report"
    python = tmp_path / "python"
    # It notes what the interpreter is started with.
    note = f"env | grep -E '^(LD_|MALLOC|FLAGMAN|LANG)' | sort >{report}"
    python.write_text(f'#!/bin/sh\nexport _=x\n{note}\nexec {sys.executable} "$@"\n', encoding="ascii")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/flagman")
    chosen = {"LD_LIBRARY_PATH": "/tmp/lib", "LD_BIND_NOW": "1", "MALLOC_ARENA_MAX": "1", "LANG": "C"}
    launch = plan(["env"], umask=0o22, environment=chosen)
    life = Life(looping, launch, environment={b"FLAGMAN_GUARD": b"mark"})
    found = life.output().splitlines()
    assert life.end() == (0, "")
    expected = {"FLAGMAN_GUARD=mark", f"PATH={os.environ['PATH']}", *(f"{name}={chosen[name]}" for name in chosen)}
    assert set(found) == expected
    seen = report.read_text(encoding="ascii").splitlines()
    assert seen == ["FLAGMAN_GUARD=mark", "LD_LIBRARY_PATH=/of/flagman"]


@pytest.mark.parametrize("value", [None, b"C", b"C.UTF-8", b"de_DE.UTF-8", b"", b"=\xff"])
def test_the_locale_is_not_that_of_the_shim(looping: Looping, value: bytes | None) -> None:
    """The locale that Python sets for itself does not reach the program."""
    base = {b"PATH": os.environb[b"PATH"], **({} if value is None else {b"LC_CTYPE": value})}
    life = Life(looping, plan(["env"], umask=0o22, base=base))
    found = [line for line in life.output().splitlines() if line.startswith("LC_")]
    assert found == ([] if value is None else [f"LC_CTYPE={value.decode(errors='backslashreplace')}"])
    assert life.end() == (0, "")


def test_words_and_variables_of_any_bytes(looping: Looping, tmp_path: Path) -> None:
    """What is not UTF-8 passes through the shim as it is, and so does what looks like its own arguments."""
    odd = tmp_path / "\udcff ="
    odd.mkdir()
    words = ["sh", "-c", 'pwd; printf "%s|" "$@" "$A"', "--", "\udcfe", "--", "-c", "umask=0", "", "ü"]
    life = Life(looping, plan(words, directory=str(odd), environment={"A": "\udcfd", "PYTHONHOME": "/no"}))
    where, rest = life.output().splitlines()
    assert where == f"{tmp_path}/\\xff ="
    assert rest == "\\xfe|--|-c|umask=0||ü|\\xfd|"
    assert life.end() == (0, "")


def test_nothing_is_left_of_the_shim(looping: Looping) -> None:
    """When the program runs, the pipe of the shim is gone, and nothing has failed."""
    before = looping.do(lambda: looping.loop.descriptors)
    life = Life(looping, plan(["sleep", "1000"], umask=0o22))
    looping.wait_for(lambda: len(looping.loop.descriptors) == len(before) + 1)  # its own pidfd
    assert looping.do(life.trouble) == ""
    looping.do(lambda: life.instance.send(signal.SIGTERM))
    assert life.end() == (-signal.SIGTERM, "")
    life.output()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_while_the_shim_works(looping: Looping, signum: signal.Signals) -> None:
    """A signal that comes before the program runs ends it without a word, wherever it comes."""
    for _ in range(5):
        life = Life(looping, plan(["sleep", "1000"], umask=0o22))
        looping.do(lambda: life.instance.send(signum))  # noqa: B023 - it is called at once
        assert life.end() == (-signum, "")
        assert life.output() == ""


def test_a_shim_that_is_stopped(looping: Looping) -> None:
    """A shim that is stopped can be killed, and has not failed."""
    life = Life(looping, plan(["sleep", "1000"], umask=0o22))
    looping.do(lambda: life.instance.send(signal.SIGSTOP))
    assert looping.do(life.trouble) == ""
    looping.do(lambda: life.instance.send_to_group(signal.SIGKILL))
    assert life.end() == (-signal.SIGKILL, "")
    life.output()


def test_from_a_zip_archive(tmp_path: Path) -> None:
    """The shim starts though flagman is in a zip archive, where its source is no file."""
    path = tmp_path / "it.pyz"
    with zipfile.ZipFile(path, "w") as archive:
        for file in PACKAGE.rglob("*.py"):
            archive.write(file, file.relative_to(PACKAGE.parent))
    program = (
        "from flagman.supervise.launch import steps; import flagman\n"
        f"assert flagman.__file__.startswith({str(path)!r})\n"
        "print('take_limit' in steps.source())"
    )
    done = subprocess.run(
        [sys.executable, "-IS", "-c", f"import sys; sys.path.insert(0, {str(path)!r})\n{program}"],
        check=True,
        capture_output=True,
        encoding="ascii",
        timeout=60,
    )
    assert done.stdout == "True\n"


def test_without_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the source there are no steps, and the reason is told."""
    monkeypatch.setattr(shim, "__loader__", None)
    with pytest.raises(FlagmanError, match="the source of flagman is not there"):
        plan(["true"], umask=0o22)
    plan(["true"])


@LINUX
def test_an_end_that_could_not_be_watched_at_first(looping: Looping, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there were too many open files at the start, the end is watched as soon as it can be."""
    real, left = pidfd.open_pidfd, [2]

    def fail(pid: int) -> int:
        left[0] -= 1
        return -1 if left[0] >= 0 else real(pid)

    monkeypatch.setattr("flagman.supervise.instance.open_pidfd", fail)
    launch = plan(["cat"])
    reader, writer = os.pipe()
    ends: list[bool] = []
    lives: list[Instance] = []

    def look() -> None:
        if lives:
            ends.append(lives[0].has_ended())

    def begin() -> None:
        streams = {0: reader, 1: writer, 2: writer}
        lives.append(launch.start(environment={}, streams=streams, loop=looping.loop, on_end=look))

    looping.do(begin)
    looping.wait_for(lambda: lives[0]._pidfd >= 0)
    assert ends
    ends.clear()
    os.close(writer)
    os.close(reader)
    looping.do(lambda: lives[0].send(signal.SIGKILL))
    looping.wait_for(lambda: ends)
    assert looping.do(lives[0].reap) == -signal.SIGKILL
    assert ends == [True], "it was not looked at again and again"
