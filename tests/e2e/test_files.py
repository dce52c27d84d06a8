"""Files as triggers of real daemons: what the command says of them, and what goes on beside them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.driven import SCRIPT, Flagman, descriptors, run, settle, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.background import Background

HUP, TERM = signal.SIGHUP, signal.SIGTERM
SHOW = 'echo "$FLAGMAN_CHANGE $FLAGMAN_TRIGGER ${FLAGMAN_FILE##*/} $(cat f 2> /dev/null)"'


def switches(pid: int) -> int:
    """Return how often a process has been woken up."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    """Make a file where daemons are started."""
    path = tmp_path / "f"
    path.write_text("1", encoding="ascii")
    return path


def test_a_command_is_told(start: Callable[..., Flagman], file: Path) -> None:
    """A command gets the path and what has happened; a change is followed by one run."""
    daemon = start("--on-file", "f", "sh", SHOW, environment={"FLAGMAN_FILE": "/outer"}).ready()
    file.write_text("2", encoding="ascii")
    daemon.expect("changed file-f f 2")
    fresh = file.with_name("g")
    fresh.write_text("3", encoding="ascii")
    fresh.rename(file)
    daemon.expect("replaced file-f f 3")
    file.unlink()
    daemon.expect("gone file-f f ")
    file.write_text("4", encoding="ascii")
    daemon.expect("come file-f f 4").stop()


def test_no_wake_ups(start: Callable[..., Flagman], file: Path) -> None:
    """A daemon sleeps until its file changes, whatever happens beside it."""
    daemon = start("--on-file", "f", "sh", SHOW).ready()
    settle(daemon.process.pid)
    before = switches(daemon.process.pid)
    for number in range(100):
        other = file.with_name(f"other-{number}")
        other.write_text("x", encoding="ascii")
        other.chmod(0o600)
        other.rename(file.with_name("another"))
        file.read_text(encoding="ascii")
    assert switches(daemon.process.pid) == before
    file.write_text("2", encoding="ascii")
    daemon.expect("changed file-f f 2").stop()


def test_other_triggers_have_no_details(start: Callable[..., Flagman]) -> None:
    """A command of a signal gets no variable of a file, not even that of an outer flagman."""
    outer = {"FLAGMAN_FILE": "/outer", "FLAGMAN_CHANGE": "come"}
    daemon = start("--usr1", "sh", 'echo "<$FLAGMAN_FILE$FLAGMAN_CHANGE>"', environment=outer).ready()
    daemon.signal(signal.SIGUSR1).expect("<>").stop()


def test_a_change_during_the_run(start: Callable[..., Flagman], file: Path, fifo: Path) -> None:
    """A change during the run leads to another run, although signals in that time are ignored."""
    daemon = start("--on-file", "f", "sh", f"echo begin; read line < {fifo}; cat f; echo").ready()
    file.write_text("2", encoding="ascii")
    daemon.expect("begin")
    file.write_text("3", encoding="ascii")
    fifo.write_text("\n", encoding="ascii")
    daemon.expect("3", "begin")
    fifo.write_text("\n", encoding="ascii")
    daemon.expect("3").stop()


@pytest.mark.parametrize("changes", [True, False])
def test_a_change_during_set_up(start: Callable[..., Flagman], file: Path, fifo: Path, *, changes: bool) -> None:
    """What changes while an action is set up is not missed, and what does not change leads to no run."""
    daemon = start("--on-file", "f", "acts:SlowSetUp", "a", str(fifo), "--on-file", "f", "sh", SHOW)
    daemon.expect("a: init", "a: begin")
    if changes:
        file.write_text("2", encoding="ascii")
    with fifo.open("w", encoding="ascii") as gate:
        gate.write("\n")
    daemon.expect("a: end").ready()
    if not changes:
        file.write_text("3", encoding="ascii")
    daemon.expect("a: begin")
    with fifo.open("w", encoding="ascii") as gate:
        gate.write("\n")
    daemon.expect("a: end", f"changed file-f f {3 - changes}").stop("a: cleanup")


def test_reload(start: Callable[..., Flagman], file: Path, fifo: Path) -> None:
    """A path that stays keeps its watch: a reload alone leads to no run, and a change during it is not missed."""
    config = file.with_name("flagman.toml")
    binding = f'[[on]]\nfile = "f"\naction = "sh"\nargs = [{SHOW!r}]\n'
    slow = f'[[on]]\nfile = "g"\naction = "acts:SlowSetUp"\nargs = ["a", "{fifo}"]\n'
    config.write_text(binding, encoding="utf-8")
    daemon = start("-c", "flagman.toml", "--hup", "reload").ready().signal(HUP).ready()
    config.write_text(f"{binding}{slow}", encoding="utf-8")
    daemon.signal(HUP).expect("a: init", "a: begin")
    file.write_text("2", encoding="ascii")
    file.with_name("g").write_text("new", encoding="ascii")
    fifo.write_text("\n", encoding="ascii")
    daemon.expect("a: end").ready()
    assert {daemon.out.next(), daemon.out.next()} == {"changed file-f f 2", "a: begin"}
    fifo.write_text("\n", encoding="ascii")
    daemon.expect("a: end")
    config.write_text(f"{binding}{slow}debounce = 60\nfile = 7\n", encoding="utf-8")
    daemon.signal(HUP)
    daemon.expect_error("is not TOML")
    config.write_text(f"{binding}debounce = '1ms'\n", encoding="utf-8")
    daemon.signal(HUP).expect("a: cleanup")
    file.write_text("3", encoding="ascii")
    daemon.expect("changed file-f f 3").stop()


def test_a_reload_that_fails(start: Callable[..., Flagman], file: Path) -> None:
    """A path that was watched for a reload that has failed is watched no longer, and the others still are."""
    config = file.with_name("flagman.toml")
    binding = f"[[on]]\nfile = 'f'\naction = 'sh'\nargs = ['{SHOW}']\n"
    config.write_text(binding, encoding="utf-8")
    daemon = start("-c", "flagman.toml", "--hup", "reload").ready()

    links = descriptors(daemon.process.pid)
    (number,) = [number for number, link in links.items() if link == "anon_inode:inotify"]
    information = Path(f"/proc/{daemon.process.pid}/fdinfo/{number}")

    def watches() -> int:
        return information.read_text(encoding="ascii").count("inotify wd")

    before = watches()
    (file.parent / "sub").mkdir()
    failing = "[[on]]\nfile = 'sub/g'\naction = 'acts:FailSetUp'\n"
    config.write_text(f"{binding}{failing}", encoding="utf-8")
    daemon.signal(HUP).expect_error(": setting up `acts:FailSetUp`")
    wait_for(lambda: watches() == before)
    file.write_text("2", encoding="ascii")
    daemon.expect("changed file-f f 2").stop()


@pytest.mark.parametrize("after", ['file = "{0}/f"\ndebounce = "1ms"', 'file = "f"\ndebounce = "2ms"'])
def test_a_reload_while_a_change_is_held(start: Callable[..., Flagman], file: Path, after: str) -> None:
    """A change that is held when a reload names its file, or its debounce, in another way leads to a run."""
    config = file.with_name("flagman.toml")
    rest = f"\naction = 'sh'\nargs = ['{SHOW}']\n"
    config.write_text(f'[[on]]\nfile = "f"\ndebounce = "1h"{rest}', encoding="utf-8")
    daemon = start("-vv", "-c", "flagman.toml", "--hup", "reload").ready()
    file.write_text("2", encoding="ascii")
    daemon.expect_error("Holding `file-f~1h` until it is quiet")
    config.write_text(f"[[on]]\n{after.format(file.parent)}{rest}", encoding="utf-8")
    daemon.signal(HUP)
    assert daemon.out.next().startswith("changed file-")
    daemon.stop()


def test_a_reload_for_each_change_of_the_file(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """A configuration file that is bound to a reload is read again whenever it changes, also after a mistake."""
    config = tmp_path / "flagman.toml"
    binding = '[[on]]\nsignal = "USR1"\naction = "print"\nargs = ["{}"]\n'
    config.write_text(binding.format("one"), encoding="utf-8")
    daemon = start("-c", "flagman.toml", "--on-file", "flagman.toml", "reload").ready().expect("init")
    config.write_text("[[on]", encoding="utf-8")
    daemon.expect_error("Reload failed")
    config.write_text(binding.format("two"), encoding="utf-8")
    daemon.expect("init", "cleanup").signal(signal.SIGUSR1).expect("two").stop("cleanup")


def test_run_at_start_and_debounce(start: Callable[..., Flagman], file: Path) -> None:
    """With --run-at-start there is a run without a change; --debounce holds a file as it holds a signal."""
    daemon = start("--run-at-start", "--debounce", "200ms", "--on-file", "f", "sh", SHOW).ready()
    daemon.expect(" file-f f 1")
    file.write_text("2", encoding="ascii")
    daemon.expect("changed file-f f 2").stop()


def test_dry_run(start: Callable[..., Flagman], file: Path) -> None:
    """With --dry-run a change is logged."""
    daemon = start("--dry-run", "--on-file", "f", "stop").ready()
    file.write_text("2", encoding="ascii")
    daemon.expect_error("Would run `stop` for `file-f` (raises: 1)")
    daemon.stop()


def test_once(start: Callable[..., Flagman], file: Path) -> None:
    """With --once the first change is the last."""
    daemon = start("--once", "--on-file", "f", "sh", SHOW).ready()
    file.write_text("2", encoding="ascii")
    daemon.expect("changed file-f f 2", "")
    assert daemon.status() == 0


def test_children_have_no_descriptor(start: Callable[..., Flagman], file: Path) -> None:
    """A command does not get the descriptor of its daemon."""
    daemon = start("--on-file", "f", "sh", "ls -l /proc/self/fd | grep -c inotify").ready()
    file.write_text("2", encoding="ascii")
    daemon.expect("0")
    assert list(descriptors(daemon.process.pid).values()).count("anon_inode:inotify") == 1


def test_an_odd_name(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """A path may contain whatever a file name may contain."""
    name = "~a ~2s\n*?%\udcff"
    daemon = start("-vv", "--on-file", name, "sh", 'cat "$FLAGMAN_FILE"').ready()
    (tmp_path / name).write_text("hi\n", encoding="ascii")
    daemon.expect("hi").stop()
    assert all(re.match("[A-Z]+:flagman", line) for line in daemon.err.rest())


def test_check(file: Path) -> None:
    """The check says what stands at each path, where, and what is taken literally."""
    directory = str(file.parent)
    (file.parent / "link").symlink_to("f")
    words = [word for name in ("f", "link", "no/such", ".", "f*", "f/x") for word in ("--on-file", name, "stop")]
    done = run("--check", *words, directory=directory)
    kind = subprocess.run(
        ["findmnt", "-no", "FSTYPE", "-T", directory], capture_output=True, encoding="ascii", check=True
    ).stdout.strip()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        f"{directory}/f: a file, on {kind}",
        f"{directory}/link: a file at {file}, on {kind}",
        f"{directory}/no/such: nothing is there yet; {directory} is on {kind}",
        f"{directory}/.: a directory, on {kind}",
        f"{directory}/f*: nothing is there yet; {directory} is on {kind}",
        f"{directory}/f*: * is taken literally",
        f"{directory}/f/x: nothing is there: Not a directory",
    ]


@pytest.mark.parametrize("word", ["", "a\0b"])
def test_what_is_no_path(word: str, tmp_path: Path) -> None:
    """An empty path is refused, and so are one with a NUL and a number in the file."""
    config = tmp_path / "flagman.toml"
    config.write_text(f'[[on]]\nfile = "{word}"\naction = "stop"\n'.replace("\0", "\\u0000"), encoding="utf-8")
    done = run("--check", "-c", str(config))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "[[on]] #1: key 'file': " in done.stderr
    assert "is not a path" in done.stderr
    config.write_text('[[on]]\nfile = 5\naction = "stop"\n', encoding="utf-8")
    assert "key 'file': is not a string" in run("--check", "-c", str(config)).stderr


def test_what_is_printed_can_be_read_again(file: Path) -> None:
    """The printed file names the path as it was typed, and the unit names it as it is."""
    directory = str(file.parent)
    printed = run("--print-config", "--on-file", "f", "stop", directory=directory).stdout
    assert '[[on]]\nfile = "f"\naction = "stop"\n' in printed
    config = file.with_name("flagman.toml")
    config.write_text(printed, encoding="utf-8")
    assert run("--print-config", "-c", str(config), directory=directory).stdout == printed
    assert f"--on-file {file} stop\n" in run("--print-unit", "--on-file", "f", "stop", directory=directory).stdout


def test_a_daemon_of_another_user(background: Background) -> None:
    """A daemon in the background, of another user, sees changes at a relative path of the directory of its start."""
    if os.geteuid():
        pytest.skip("needs root")
    out = background.directory / "out"
    out.touch()
    shutil.chown(out, "nobody")
    done = background.start("--user", "nobody", "--on-file", "sub/f", "sh", f"echo $FLAGMAN_FILE >> {out}")
    assert done.returncode == 0, done.stderr
    (background.directory / "sub").mkdir(mode=0o755)
    (background.directory / "sub" / "f").touch()
    wait_for(lambda: out.read_text(encoding="utf-8"))
    assert out.read_text(encoding="utf-8") == f"{background.directory}/sub/f\n"
    background.stop()


def test_another_root(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """With --chroot the path is within the new root, where there may be no /proc."""
    if os.geteuid():
        pytest.skip("needs root")
    (tmp_path / "root" / "etc").mkdir(parents=True)
    daemon = start("--chroot", "root", "--on-file", "/etc/f", "print", "changed").ready().expect("init")
    (tmp_path / "root" / "etc" / "f").touch()
    daemon.expect("changed").stop("cleanup")


def test_a_file_system_that_reports_nothing(start: Callable[..., Flagman]) -> None:
    """A file on a file system that does not report its changes is announced, and the daemon stops as always."""
    daemon = start("--on-file", "/proc/loadavg", "stop").ready()
    warning = daemon.expect_error("WARNING:flagman.files:")
    assert "Looking at /proc/loadavg every 5s: /proc is proc, which does not report all changes" in warning
    daemon.stop()


UNSHARED = pytest.mark.skipif(
    subprocess.run(["unshare", "-Urm", "true"], check=False, capture_output=True).returncode != 0,
    reason="this system gives no namespaces",
)


@UNSHARED
@pytest.mark.parametrize("limit", ["max_inotify_watches=3", "max_inotify_instances=0"])
def test_limits(start: Callable[..., Flagman], file: Path, limit: str) -> None:
    """When a limit of the kernel is reached, one warning names it, and changes are found by looking."""
    name, _, value = limit.partition("=")
    script = f'echo {value} > /proc/sys/user/{name} || exit 9; exec "$@"'
    words = ["--file-interval", "100ms", "--on-file", str(file), "sh", SHOW, "--on-file", f"{file}2", "stop"]
    daemon = start(*words, prefix=["unshare", "-Ur", "sh", "-c", script, "sh"], command=SCRIPT).ready()
    warning = daemon.expect_error("WARNING:flagman.files:")
    assert f"every 100ms: the limit user.{name} = {value} is reached; raise it with sysctl" in warning
    file.write_text("2", encoding="ascii")
    daemon.expect(f"changed file-{file} f 2").signal(TERM)
    assert "WARNING" not in "".join(daemon.err.rest())


@UNSHARED
def test_mounts(start: Callable[..., Flagman], file: Path, fifo: Path) -> None:
    """A file system that is mounted late or unmounted is noticed; a mount of a single file cannot follow the file."""
    directory = file.parent
    for name in ("volume", "outside"):
        (directory / name).mkdir()
    (directory / "outside" / "f").touch()
    script = f"""
        mount --bind f outside/f || exit 9
        sh -c 'exec 3<> {fifo}; while read line <&3; do $line; done' > /dev/null 2>&1 &
        exec "$@"
    """
    words = ["--on-file", "volume/g", "sh", "echo $FLAGMAN_CHANGE", "--on-file", "outside/f", "sh", "echo no"]
    prefix = ["unshare", "-Urm", "sh", "-c", script, "sh"]
    daemon = start(*words, prefix=prefix, command=SCRIPT).ready()
    fresh = directory / "fresh"
    fresh.mkdir()
    (fresh / "g").write_text("x", encoding="ascii")
    fifo.write_text("mount --bind fresh volume\n", encoding="ascii")
    daemon.expect("come")
    fifo.write_text("umount volume\n", encoding="ascii")
    daemon.expect("gone")
    (directory / "new").touch()
    (directory / "new").rename(file)
    assert "mount its directory instead" in daemon.expect_error("WARNING:flagman.files:")
    fifo.write_text("exit\n", encoding="ascii")
    daemon.stop()
