"""Files as triggers: every way of changing one leads to one run, and nothing else leads to any."""

from __future__ import annotations

import ctypes
import errno
import logging
import mmap
import os
import random
import re
import subprocess
import tempfile
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagman import Engine
from flagman.testing import DEADLINE, FakeTime
from flagman.triggers.by_file import FileSource
from flagman.triggers.files import inotify, mounts
from flagman.triggers.files.events import Events
from flagman.triggers.files.guard import Guard
from flagman.triggers.files.watch import FileWatch
from flagman.triggers.files.way import walk
from support.histories import play
from support.watched import Watched, content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from support.watched import Step

    Runs = list[tuple[float, str]]

CHANGED, REPLACED = [(0.1, "changed")], [(0.1, "replaced")]
NONE: Runs = []

# What is there at first, by the names of the layouts.
LAYOUTS = {
    "plain": "mkdir a; echo 1 > a/f",
    "none": "mkdir a",
    "nothing": ":",
    "release": "mkdir r1 r2; echo 1 > r1/f; echo 1 > r2/f; ln -s r1 a",
    "dangling": "mkdir a; ln -s g a/f",
    "configmap": "mkdir a a/..1; echo 1 > a/..1/f; ln -s ..1 a/..data; ln -s ..data/f a/f",
    "certbot": "mkdir a archive; echo 1 > archive/f1; ln -s ../archive/f1 a/f",
}

# A way of changing what stands at a/f: the layout, what is done, and the runs that follow.
WAYS: dict[str, tuple[str, Mapping[float, Step], Runs]] = {
    "append": ("plain", {0: "echo 2 >> a/f"}, CHANGED),
    "overwrite": ("plain", {0: "echo 2 > a/f"}, CHANGED),
    "overwrite with the same": ("plain", {0: "echo 1 > a/f"}, CHANGED),
    "cp over": ("plain", {0: "echo 2 > g; cp g a/f"}, CHANGED),
    "copytruncate": ("plain", {0: "cp a/f g; : > a/f"}, CHANGED),
    "dd": ("plain", {0: "dd if=/dev/zero of=a/f bs=1 count=4 conv=notrunc status=none"}, CHANGED),
    "fallocate": ("plain", {0: "fallocate -l 100 a/f"}, CHANGED),
    "vim in place": (
        "plain",
        {0: "echo swp > a/.f.swp; echo 2 > a/f; chmod 700 a/f; chmod 644 a/f; rm a/.f.swp"},
        CHANGED,
    ),
    "vim opened and quit": ("plain", {0: "echo swp > a/.f.swp; cat a/f > /dev/null; rm a/.f.swp"}, NONE),
    "mv over": ("plain", {0: "echo 2 > g; mv g a/f"}, REPLACED),
    "mv of an equal file": ("plain", {0: "cp -p a/f g; mv g a/f"}, REPLACED),
    "sed -i": ("plain", {0: "sed -i s/1/2/ a/f"}, REPLACED),
    "sed -i without a match": ("plain", {0: "sed -i s/7/2/ a/f"}, REPLACED),
    "the editor's backup": ("plain", {0: "mv a/f a/f~; echo 2 > a/f; rm a/f~"}, REPLACED),
    "logrotate create": ("plain", {0: "mv a/f a/f.1; : > a/f"}, [(2.0, "replaced")]),
    "cp -p over": ("plain", {0: "echo 2 > g; touch -r a/f g; cp -p g a/f"}, CHANGED),
    "rm and create": ("plain", {0: "rm a/f; echo 2 > a/f"}, REPLACED),
    "install": ("plain", {0: "echo 2 > g; install g a/f"}, REPLACED),
    "cp --remove-destination": ("plain", {0: "echo 2 > g; cp --remove-destination g a/f"}, REPLACED),
    "tar x": ("plain", {0: "mkdir t t/a; echo 2 > t/a/f; tar c -C t a | tar x"}, REPLACED),
    "rm": ("plain", {0: "rm a/f"}, [(1.0, "gone")]),
    "rm and soon back": ("plain", {0: "rm a/f", 0.5: "echo 2 > a/f"}, [(0.6, "replaced")]),
    "rm and later back": ("plain", {0: "rm a/f", 1.5: "echo 2 > a/f"}, [(1.0, "gone"), (1.6, "come")]),
    "touch": ("plain", {0: "touch -d @1 a/f"}, CHANGED),
    "touch new": ("none", {0: "touch a/f"}, [(0.1, "come")]),
    "chmod": ("plain", {0: "chmod 600 a/f"}, CHANGED),
    "chmod to the same": ("plain", {0: "chmod 644 a/f"}, NONE),
    "touch -a": ("plain", {0: "touch -a -d @1 a/f"}, NONE),
    "xattr": ("plain", {0: "setfattr -n user.x -v 1 a/f || :"}, NONE),
    "ln": ("plain", {0: "ln a/f h"}, NONE),
    "opened for writing": ("plain", {0: "exec 3>> a/f"}, NONE),
    "read": ("plain", {0: "cat a/f > /dev/null"}, NONE),
    "made and removed": ("none", {0: "echo 2 > a/f; rm a/f"}, NONE),
    "through another hard link": ("plain", {0: "ln a/f h; echo 2 > h"}, CHANGED),
    "siblings": (
        "plain",
        {0: "for i in 1 2 3 4 5 6 7 8 9; do echo > a/$i; chmod 600 a/$i; mv a/$i a/x; touch a/x; rm a/x; done"},
        NONE,
    ),
    "chmod of the directory": ("plain", {0: "chmod 700 a"}, NONE),
    "ConfigMap": (
        "configmap",
        {0: "cd a; mkdir ..2; echo 2 > ..2/f; ln -s ..2 ..tmp; mv -T ..tmp ..data; rm -r ..1"},
        REPLACED,
    ),
    "ConfigMap, another key": (
        "configmap",
        {0: "cd a; mkdir ..2; cp -p ..1/f ..2/f; echo > ..2/g; ln -s ..2 ..tmp; mv -T ..tmp ..data; rm -r ..1"},
        REPLACED,
    ),
    "certbot": ("certbot", {0: "echo 2 > archive/f2; rm a/f; ln -s ../archive/f2 a/f"}, REPLACED),
    "another release": ("release", {0: "ln -s r2 b; mv -T b a"}, REPLACED),
    "the same release": ("release", {0: "ln -s r1 b; mv -T b a"}, NONE),
    "target of a dangling link": ("dangling", {0: "echo 2 > a/g"}, [(0.1, "come")]),
    "mkdir -p and file": ("nothing", {0: "mkdir a", 1: "echo 2 > a/f"}, [(1.1, "come")]),
    "mkdir alone": ("nothing", {0: "mkdir a"}, NONE),
    "rm -r and new": ("plain", {0: "rm -r a; mkdir a; echo 2 > a/f"}, REPLACED),
    "rm -r": ("plain", {0: "rm -r a"}, [(1.0, "gone")]),
    "another directory": ("plain", {0: "mkdir b; echo 2 > b/f; mv a c; mv b a"}, REPLACED),
    "directory away": ("plain", {0: "mv a b"}, [(1.0, "gone")]),
    "directory away and back": ("plain", {0: "mv a b; mv b a"}, NONE),
    "directory soon back": ("plain", {0: "mv a b", 0.5: "mv b a"}, NONE),
}


@pytest.fixture(name="watch")
def _watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    """Yield a function that makes a layout and watches a path in it, and needs no more than that."""
    with ExitStack() as stack:

        def watch(layout: str, path: str = "a/f", **options: float) -> Watched:
            first, _, more = layout.partition(";")
            line = f"umask 022; {LAYOUTS.get(first, first)};{more or ':'}"
            subprocess.run(["sh", "-ec", line], cwd=tmp_path, check=True, timeout=DEADLINE)
            return stack.enter_context(Watched(tmp_path, path, **options))

        yield watch


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_changing_a_file(watch: Callable[..., Watched], way: str) -> None:
    """Each way of changing a file leads to exactly the runs that it should, and the next change is noticed, too."""
    layout, steps, runs = WAYS[way]
    watched = watch(layout)
    assert watched.play(steps) == runs
    assert len(watched.action.contents) == len(runs)
    if runs:
        assert watched.action.contents[-1] == content(watched.path)
    if watched.path.exists():
        assert watched.play({0: "echo later >> a/f"}) == CHANGED
        assert str(watched.action.contents[-1]).endswith("later\n")


# A way of changing what stands in the directory a.
IN_DIRECTORIES: dict[str, tuple[str, Mapping[float, Step], Runs]] = {
    "made": ("plain", {0: "echo 2 > a/g"}, CHANGED),
    "edited": ("plain", {0: "echo 2 > a/f"}, CHANGED),
    "chmodded": ("plain", {0: "chmod 600 a/f"}, CHANGED),
    "removed": ("plain", {0: "rm a/f"}, CHANGED),
    "renamed over": ("plain", {0: "cp -p a/f g; mv g a/f"}, CHANGED),
    "two files": ("plain", {0: "echo 2 > a/f; echo 2 > a/g"}, CHANGED),
    "ConfigMap": (
        "configmap",
        {0: "cd a; mkdir ..2; echo 2 > ..2/f; ln -s ..2 ..tmp; mv -T ..tmp ..data; rm -r ..1"},
        CHANGED,
    ),
    "certbot": ("certbot", {0: "echo 2 > archive/f2; rm a/f; ln -s ../archive/f2 a/f"}, CHANGED),
    "another directory": ("plain", {0: "mkdir b; mv a c; mv b a"}, REPLACED),
    "deeper": ("plain; mkdir a/b; echo > a/b/g", {0: "echo 2 > a/b/g"}, NONE),
    "read": ("plain", {0: "cat a/f; ls a"}, NONE),
    "vim": ("plain", {0: "echo swp > a/.f.swp; echo > a/4913; rm a/4913 a/.f.swp; echo > a/g~; echo > 'a/#g#'"}, NONE),
    "gone and back": ("plain", {0: "rm -r a", 1.5: "mkdir a"}, [(1.0, "gone"), (1.6, "come")]),
}


@pytest.mark.parametrize("way", IN_DIRECTORIES)
def test_every_way_of_changing_a_directory(watch: Callable[..., Watched], way: str) -> None:
    """A directory stands for its entries, but neither for what is deeper nor for what editors put there meanwhile."""
    layout, steps, runs = IN_DIRECTORIES[way]
    watched = watch(layout, "a")
    assert watched.play(steps) == runs
    assert watched.play({0: "echo later > a/later"}) == CHANGED


def test_siblings_do_not_wake(watch: Callable[..., Watched]) -> None:
    """What happens beside the file, to its reader and to its links is not even reported."""
    watched = watch("release")
    watched.play(
        {
            0: "for i in 1 2 3 4 5 6; do echo > a/$i; chmod 600 a/$i; touch a/$i; mv a/$i a/x; ln a/x y; rm y a/x; done"
            "; setfattr -n user.x -v 1 r1 || :",
            1: "cat a/f; ls -l a .; mkdir a/d; rmdir a/d; chmod 700 a; chmod 755 r1",
        }
    )
    assert watched.wake_ups == 0
    assert watched.play({0: "touch a/f"}) == CHANGED


def test_a_writer_that_takes_its_time(watch: Callable[..., Watched]) -> None:
    """A file that is being written is left alone until it is closed."""
    watched = watch("plain")
    file = watched.path.open("w", encoding="ascii", buffering=1)
    steps: dict[float, Step] = {moment / 2: lambda: file.write("part\n") for moment in range(5)}
    assert watched.play({**steps, 2.3: file.close}) == [(2.4, "changed")]
    assert watched.action.contents == ["part\n" * 5]


def test_a_writer_that_never_closes(watch: Callable[..., Watched]) -> None:
    """A file that stays open leads to a run when its writer pauses, and to one after twenty seconds without a pause."""
    watched = watch("plain")
    with watched.path.open("w", encoding="ascii", buffering=1) as file:
        steps: dict[float, Step] = {0: lambda: file.write("1\n"), 0.5: lambda: file.write("2\n")}
        assert watched.play(steps) == [(2.5, "changed")]
        steps = {float(moment): lambda: file.write("3\n") for moment in range(25)}
        assert watched.play({**steps, 25: file.close}, 40) == [(20.0, "changed"), (25.1, "changed")]


def test_a_new_file_that_is_still_empty(watch: Callable[..., Watched]) -> None:
    """A new file is empty at first: its writer gets time to write."""
    watched = watch("none")
    files = []

    def create() -> None:
        files.append(watched.path.open("w", encoding="ascii"))

    def write() -> None:
        files[0].write("content")
        files[0].close()

    assert watched.play({0: create, 1: write}) == [(1.1, "come")]
    assert watched.action.contents == ["content"]


def test_a_truncated_file(watch: Callable[..., Watched]) -> None:
    """A file that is cut without being opened may be about to be written to, so it gets time for that."""
    watched = watch("plain")
    assert watched.play({0: lambda: os.truncate(watched.path, 1)}) == [(2.0, "changed")]


def test_a_mapped_file(watch: Callable[..., Watched]) -> None:
    """A change through memory is noticed when the file is closed; the kernel does not report it before."""
    watched = watch("plain")
    descriptor = os.open(watched.path, os.O_RDWR)
    mapped = mmap.mmap(descriptor, 2)

    def write() -> None:
        mapped[0:1] = b"7"

    def close() -> None:
        mapped.close()
        os.close(descriptor)

    assert watched.play({0: write, 1: close}) == [(1.1, "changed")]


def test_exchanged_files(watch: Callable[..., Watched]) -> None:
    """Two files that are exchanged in one step are both others."""
    watched = watch("plain")
    library = ctypes.CDLL(None)
    if not hasattr(library, "renameat2"):
        pytest.skip("the C library has no renameat2")

    def exchange() -> None:
        here, there = os.fsencode(watched.path), os.fsencode(watched.directory / "g")
        assert library.renameat2(-100, here, -100, there, 2) == 0  # AT_FDCWD and RENAME_EXCHANGE

    watched.sh("echo 2 > g")
    assert watched.play({0: exchange}) == REPLACED


def test_a_directory_that_a_process_still_uses(watch: Callable[..., Watched]) -> None:
    """The removal of a directory in which a process works is not reported there, and not missed."""
    watched = watch("plain", "a/b/f")
    watched.sh("mkdir a/b; echo 1 > a/b/f")
    assert watched.play({}) == [(0.1, "come")]
    with subprocess.Popen(["sleep", "60"], cwd=watched.directory / "a" / "b") as process:
        steps: dict[float, Step] = {0: "rm a/b/f", 2: "rmdir a/b", 3: "mkdir a/b", 4: "echo 2 > a/b/f"}
        assert watched.play(steps) == [(1.0, "gone"), (4.1, "come")]
        process.kill()


def test_an_empty_directory_that_a_process_still_uses(watch: Callable[..., Watched]) -> None:
    """The removal of such a directory, which is the path itself, is not missed either."""
    watched = watch("mkdir a", "a")
    with subprocess.Popen(["sleep", "60"], cwd=watched.path) as process:
        assert watched.play({0: "rmdir a; mkdir a; touch a/x"}) == REPLACED
        assert watched.play({0: "touch a/y"}) == CHANGED
        process.kill()


@pytest.mark.parametrize("kind", ["mkfifo", "python3 -c 'import socket, sys; socket.socket(1).bind(sys.argv[1])'"])
def test_a_path_that_is_no_file(watch: Callable[..., Watched], kind: str) -> None:
    """A pipe or a socket may change its owner or be replaced; its use is no change."""
    watched = watch(f"mkdir a; {kind} a/f")
    assert watched.play({0: "sleep 0 <> a/f || :"}) == NONE
    assert watched.play({0: "chmod 700 a/f"}) == CHANGED
    assert watched.play({0: f"{kind} b; mv b a/f"}) == REPLACED


def test_links_that_lead_in_a_circle(watch: Callable[..., Watched]) -> None:
    """A path that leads in a circle is watched until it leads somewhere."""
    watched = watch("mkdir a; ln -s g a/f; ln -s f a/g")
    assert watched.play({0: "rm a/g; echo 1 > a/g"}) == [(0.1, "come")]


def test_a_file_in_the_place_of_a_directory(watch: Callable[..., Watched]) -> None:
    """A path that leads through a file is watched until that is a directory."""
    watched = watch("echo > a")
    assert watched.play({0: "rm a; mkdir a; echo 1 > a/f"}) == [(0.1, "come")]
    with Watched(watched.directory, "a/f/") as below:
        assert below.play({0: "echo 2 > a/f"}) == NONE
        assert below.play({0: "rm a/f; mkdir a/f"}) == [(0.1, "come")]


def test_two_paths_with_the_same_inodes(watch: Callable[..., Watched]) -> None:
    """Each of two paths is told what it waits for, and no more than that."""
    watched = watch("plain; ln a/f h")
    with watched.also("h") as other, watched.also("a") as directory, watched.also("missing") as missing:
        watched.play({0: "chmod 700 a", 1: "echo 2 > h", 2: "touch a/new", 3: "touch missing", 4: "rm missing"}, 8)
        assert [round(moment, 1) for moment, _ in watched.action.notes] == [1.1]
        assert [round(moment, 1) for moment, _ in other.notes] == [1.1]
        assert [round(moment, 1) for moment, _ in directory.notes] == [0.1, 2.1]
        assert [(round(moment, 1), change) for moment, change in missing.notes] == [(3.1, "come"), (5.0, "gone")]


def test_lost_events(watch: Callable[..., Watched]) -> None:
    """More events than the kernel keeps lead to one run, and later ones are noticed."""
    watched = watch("plain")

    def storm() -> None:
        for number in range(12_000):
            watched.path.chmod(0o600 + number % 2 * 0o44)
            os.truncate(watched.path, number % 2)

    assert watched.play({0: storm}) == [(2.0, "changed")]
    assert watched.play({0: "echo 2 > a/f"}) == CHANGED


def test_a_storm_during_a_run(watch: Callable[..., Watched]) -> None:
    """Thousands of changes during one run lead to one more run."""
    watched = watch("plain", "a")

    def storm() -> None:
        watched.action.during = bool
        for number in range(10_000):
            (watched.path / str(number % 100)).touch()
            (watched.path / str(number % 100)).unlink()
        (watched.path / "last").touch()

    watched.action.during = storm
    assert watched.play({0: "touch a/f"}) == [(0.1, "changed"), (0.2, "changed")]
    assert watched.play({0: "rm a/last"}) == CHANGED


def test_a_change_during_the_run(watch: Callable[..., Watched]) -> None:
    """A run that began before a change does not stand for it, although overlap is ``ignore``."""
    watched = watch("plain")

    def change() -> None:
        watched.sh("echo 3 > a/f")
        watched.time.now += 1
        watched.action.during = bool

    watched.action.during = change
    assert watched.play({0: "echo 2 > a/f"}) == [(0.1, "changed"), (1.2, "changed")]
    assert watched.action.contents == ["2\n", "3\n"]


@pytest.mark.parametrize(
    ("layout", "change", "during"),
    [
        ("release", "echo 2 > a/f", "ln -sfn r2 a; ln -sfn r1 a"),
        ("plain", "echo 2 > a/f", "mv a b; mkdir a; echo 3 > a/f; rm -r a; mv b a"),
        ("plain", "rm a/f", "echo 3 > a/f; rm a/f"),
    ],
    ids=["link", "directory", "nothing"],
)
def test_a_change_back_during_the_run(watch: Callable[..., Watched], layout: str, change: str, during: str) -> None:
    """A run that may have seen another file for a while does not stand for the one that is there again."""
    watched = watch(layout)

    def swap() -> None:
        watched.sh(during)
        watched.action.during = bool

    watched.action.during = swap
    assert len(watched.play({0: change})) == 2
    assert watched.play({}) == NONE


def test_a_change_just_before_the_run(watch: Callable[..., Watched]) -> None:
    """A run stands for all that has come before it, also for what its flag was not raised for yet."""
    watched = watch("plain")
    raise_flag = watched.engine.raise_flag
    assert watched.play({0: "echo 2 > a/f", 0.05: lambda: raise_flag("usr1")}) == [(0.05, "changed")]


def test_files_that_are_exchanged_while_they_are_looked_up(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request never means another inode than the one that was looked up."""
    watched = watch("plain; echo g > a/g")
    real = os.open

    def exchange() -> None:
        watched.sh("mv a/f a/x; mv a/g a/f; mv a/x a/g")

    def swap(path: str, *rest: int) -> int:
        if path == str(watched.path):
            exchange()
            try:
                return real(path, *rest)
            finally:
                exchange()
        return real(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", swap)
        watched.play({0: "rm a/f; echo 2 > a/f"})
    watched.play({}, 10)
    assert watched.play({0: "echo 3 > a/f"}) == CHANGED


def test_an_action_that_writes_its_own_file(watch: Callable[..., Watched], caplog: pytest.LogCaptureFixture) -> None:
    """Such an action runs less and less often, and no change is lost; all is as before when it has stopped."""
    watched = watch("plain")
    watched.action.during = lambda: watched.sh("echo again >> a/f")
    runs = watched.play({0: "echo 2 > a/f"}, 100)
    pauses = [round(later - earlier, 1) for (earlier, _), (later, _) in pairwise(runs)]
    assert pauses == [0.1, 0.1, 0.1, 0.1, 1.1, 2.1, 4.1, 8.1, 16.1, 32.1]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.startswith(f"{watched.path} changed during each of 5 runs of Note; ")
    watched.action.during = bool
    assert watched.play({}, 100) == [(24.21, "changed")]  # sixty seconds after the run before it
    assert watched.action.contents[-1] == content(watched.path)
    assert watched.play({0: "echo 2 > a/f", 1: "echo 3 > a/f"}) == [(0.1, "changed"), (1.1, "changed")]


def test_a_change_while_a_run_is_held_back(watch: Callable[..., Watched]) -> None:
    """A change by others while a run is held back needs no run of its own."""
    watched = watch("plain")
    watched.action.during = lambda: watched.sh("echo again >> a/f")
    watched.play({0: "echo 2 > a/f"}, 10)
    watched.action.during = bool
    assert [change for _, change in watched.play({0: "echo other > a/f"}, 20)] == ["changed"]
    assert watched.action.contents[-1] == "other\n"


def test_an_action_that_only_opens_its_own_file(watch: Callable[..., Watched]) -> None:
    """An action that opens its file for writing, and writes nothing, is not slowed down."""
    watched = watch("plain")
    watched.action.during = lambda: watched.sh("exec 3>> a/f")
    steps: dict[float, Step] = {float(number): "echo more >> a/f" for number in range(10)}
    assert watched.play(steps, 12) == [(number + 0.1, "changed") for number in range(10)]


def swapped(watched: Watched) -> Callable[[], None]:
    """Return a function that puts another watch in the place of the present one, as a reload may do."""
    fresh = watched.arm(str(watched.path))

    def swap() -> None:
        fresh.begin([watched.trigger])
        watched.trigger.cancel()
        watched.trigger = fresh

    return swap


def test_a_watch_that_takes_the_place_of_another(watch: Callable[..., Watched]) -> None:
    """A watch goes on with what the one before it has noticed: a change, and a process that is still writing."""
    watched = watch("plain")
    assert watched.play({0: "echo 2 > a/f", 0.05: swapped(watched)}) == [(0.15, "changed")]
    assert watched.play({0: "echo 2 > a/f", 0.5: swapped(watched)}) == CHANGED
    assert watched.play({0: "rm a/f", 0.5: swapped(watched)}) == [(1.0, "gone")]
    file = watched.path.open("w", encoding="ascii", buffering=1)
    writes: dict[float, Step] = {moment: lambda: file.write("part") for moment in (0.0, 1.5)}
    assert watched.play({**writes, 1.0: swapped(watched), 2.0: file.close}) == [(2.1, "come")]


def test_a_held_raise_of_a_watch_that_is_replaced(watch: Callable[..., Watched]) -> None:
    """A raise that is held back is not lost with its watch."""
    watched = watch("plain")
    watched.action.during = lambda: watched.sh("echo again >> a/f")
    watched.play({0: "echo 2 > a/f"}, 10)
    watched.action.during = bool
    assert watched.play({0: swapped(watched)}) == [(0.0, "changed")]


def test_a_reason_to_look_now_and_then(
    watch: Callable[..., Watched], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is reported, a warning says so once, and looks in intervals find what has changed."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(inotify.Inotify, "__init__", refuse)
        watched = watch("plain")
        other = watched.arm(str(watched.directory / "a"))
        steps: dict[float, Step] = {1: "echo 2 > a/f", 12: "rm a/f", 18: "echo 3 > a/f"}
        assert [moment for moment, _ in watched.play(steps, 31)] == [10.0, 25.0]
        assert watched.play({8: "rm a/f"}, 29) == [(14.0, "gone")]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "every 5s: the limit " in warning
    assert "max_" in warning
    watched.trigger.follow({"file_interval": 1.0})
    assert watched.play({2: "echo 4 > a/f"}) == [(2.1, "come")]  # it can be reported again
    other.cancel()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errno.ENOSPC, "max_user_watches|max_inotify_watches"),
        (errno.ENOSYS, "this system does not report changes of files: "),
    ],
)
def test_requests_that_are_refused(
    watch: Callable[..., Watched],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    error: int,
    said: str,
) -> None:
    """When the kernel refuses a request, the path is looked at in intervals, and the reason is logged."""

    def refuse(*_: object, **__: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(inotify.Inotify, "add", refuse)
    watched = watch("plain", file_interval=2.0)
    assert watched.play({1: "echo 2 > a/f"}, 9) == [(4.0, "changed")]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert re.search(said, warning)


def test_what_has_happened_in_a_blind_time(watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch) -> None:
    """A path about which events are reported again is looked at, whatever has found that out."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    for how in ("on_mount", "_after_run"):
        with monkeypatch.context() as patch:
            patch.setattr(inotify.Inotify, "__init__", refuse)
            watched = watch(f"mkdir {how}; echo 1 > {how}/f", f"{how}/f", file_interval=60.0)
            assert watched.play({0: f"echo 2 > {how}/f"}) == NONE
        assert watched.play({0: getattr(watched.trigger, how)}) == CHANGED


def test_a_file_that_never_rests(watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is reported, a file that is different at every look leads to a run after twenty seconds."""
    monkeypatch.setattr(inotify.Inotify, "add", lambda *_, **__: _raise_enospc())
    watched = watch("plain", file_interval=5.0)
    steps: dict[float, Step] = {moment * 4.0: "echo more >> a/f" for moment in range(15)}
    assert watched.play(steps, 60) == [(25.0, "changed"), (50.0, "changed")]


def _raise_enospc() -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_descriptor_that_other_code_has_closed(
    watch: Callable[..., Watched], caplog: pytest.LogCaptureFixture
) -> None:
    """A watch goes on with another descriptor when a plugin has closed that of the kernel's events."""
    watched = watch("plain")
    events = watched.shared["files"]
    assert isinstance(events, Events)
    assert events._inotify
    os.close(events._inotify.descriptor)
    assert watched.play({0.5: "echo 2 > a/f"}) == [(0.6, "changed")]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] != []


def test_a_directory_that_cannot_be_listed_for_now(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A look that fails is tried again, and what has changed is not forgotten."""
    watched = watch("plain", "a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", lambda _: refuse_files())
        assert watched.play({0: "echo 2 > a/f"}) == NONE
    assert watched.play({}) == [(0.1, "changed")]
    assert "Too many open files" in caplog.text


def refuse_files() -> list[str]:
    """Fail as when there are too many open files."""
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_long_row_of_own_changes(watch: Callable[..., Watched]) -> None:
    """An action may write its own file for years."""
    watched = watch("plain")
    watched.action.during = lambda: watched.path.write_text("again", encoding="ascii")
    assert isinstance(watched.trigger, FileWatch)
    watched.play({0: "echo 2 > a/f"}, 3)
    watched.trigger._guard._streak = 5000
    assert len(watched.play({}, 200)) == 4


def test_a_run_for_another_reason(watch: Callable[..., Watched]) -> None:
    """A run for another reason stands for a change that was held back, and does not hide what a later one is told."""
    watched = watch("plain")
    watched.action.during = lambda: watched.sh("echo again >> a/f")
    watched.play({0: "echo 2 > a/f"}, 5)
    watched.action.during = bool
    raise_flag = watched.engine.raise_flag
    assert watched.play({0: lambda: raise_flag("usr1")}, 30) == [(0.0, "changed")]
    assert watched.play({0: "rm a/f; echo 3 > a/f", 0.05: lambda: raise_flag("usr1")}) == [
        (0.05, "replaced"),
    ]


def test_two_equal_looks(watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is reported, a file that is still changing is left alone."""
    monkeypatch.setattr(mounts, "_BLIND", re.compile(".*"))
    monkeypatch.setattr(inotify.Inotify, "read", lambda _: iter(()))
    watched = watch("plain", file_interval=1.0)
    steps: dict[float, Step] = {moment + 0.5: "echo more >> a/f" for moment in range(5)}
    assert watched.play(steps, 10) == [(6.0, "changed")]


def test_what_may_not_be_read(open_path: Path) -> None:
    """A user who may not read a file, or its directory, still learns that it has changed."""
    if os.geteuid():
        pytest.skip("needs root")
    (open_path / "private").mkdir(0o711)
    (open_path / "private" / "f").write_text("1", encoding="ascii")
    (open_path / "private" / "f").chmod(0o644)
    (open_path / "public").mkdir(0o755)
    (open_path / "public" / "key").write_text("1", encoding="ascii")
    (open_path / "public" / "key").chmod(0o600)
    os.seteuid(65534)
    try:
        with Watched(open_path, "private/f") as one, Watched(open_path, "public/key") as two:

            def as_root(line: str) -> Callable[[], None]:
                def act() -> None:
                    os.seteuid(0)
                    one.sh(line)
                    os.seteuid(65534)

                return act

            assert two.play({0: as_root("echo 2 > public/key")}) == CHANGED
            assert two.play({0: as_root("echo 2 > public/other")}) == NONE
            assert one.play({0: as_root("echo 2 > g; chmod 644 g; mv g private/f")}) == REPLACED
            line = "mkdir -m 711 new; echo 3 > new/f; chmod 644 new/f; mv private old; mv new private"
            assert one.play({0: as_root(line)}) == REPLACED
            assert one.play({0: as_root("rm private/f")}, 3) == [(1.0, "gone")]
            assert two.play({0: as_root("rm public/key; echo 1 > public/key")}) == REPLACED
        os.seteuid(0)
        one.sh("mkdir -p h/u/p; echo 1 > h/u/p/f; chmod 711 h h/u")
        os.seteuid(65534)
        with Watched(open_path, "h/u/p/f", file_interval=1.0) as nested:
            line = "mkdir -p h/v/p; echo 2 > h/v/p/f; chmod 711 h/v; mv h/u h/w; mv h/v h/u"
            assert nested.play({0: as_root(line)}) == [(2.0, "replaced")]
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("place", ["", "/dev/shm"])
def test_the_law_of_random_histories(tmp_path: Path, place: str) -> None:
    """When two writers are done, in whatever ways they have changed a file, the last run has seen its last content."""
    if place and not os.access(place, os.W_OK):
        pytest.skip(f"there is no {place}")
    with tempfile.TemporaryDirectory(prefix="flagman-", dir=place or tmp_path) as directory:
        *lost, (_, runs) = play(Path(directory), random.randrange(10**6), histories=24, rounds=1)
        assert lost == []
        assert runs > 0


def test_links_in_proc(tmp_path: Path) -> None:
    """A link of a process leads to what it has open, whatever its text says, and is only looked at now and then."""
    path = tmp_path / "f"
    path.write_text("1", encoding="ascii")
    with path.open(encoding="ascii") as file:
        link = f"/proc/{os.getpid()}/fd/{file.fileno()}"
        path.rename(tmp_path / "g")
        path.write_text("another", encoding="ascii")
        end = walk(link).end
        assert end
        assert end.inode == (os.fstat(file.fileno()).st_dev, os.fstat(file.fileno()).st_ino)
        what, when = FileSource(link).notes()
    assert what == f"{link}: a file, on a file system of an unknown kind"
    assert when == f"{link}: looked at now and then; /proc is proc, see --file-interval"


def test_three_swaps_of_a_config_map(watch: Callable[..., Watched]) -> None:
    """Each update of a volume of Kubernetes leads to one run, for a file in it and for the whole volume."""
    watched = watch("configmap")
    steps: dict[float, Step] = {
        float(number): f"cd a; mkdir ..{number}; echo {number} > ..{number}/f; ln -s ..{number} ..tmp; "
        f"mv -T ..tmp ..data; rm -r ..{number - 1}"
        for number in (2, 3, 4)
    }
    with watched.also("a") as volume:
        assert watched.play(steps, 8) == [(2.1, "replaced"), (3.1, "replaced"), (4.1, "replaced")]
        assert [change for _, change in volume.notes] == ["changed"] * 3
    assert watched.action.contents == ["2\n", "3\n", "4\n"]


@pytest.mark.parametrize("layout", [":", "ln -s t/f link"], ids=["plain", "link"])
def test_directories_that_are_missing(watch: Callable[..., Watched], layout: str) -> None:
    """Directories may be missing at any depth, and come and go; only the file counts."""
    top = "t" if "link" in layout else "a"
    watched = watch(layout, "link" if "link" in layout else "a/b/c/f")
    below = top if "link" in layout else "a/b/c"
    steps: dict[float, Step] = {
        0: f"mkdir -p {below}",
        1: f"echo 1 > {below}/f",
        3: f"rm -r {top}",
        6: f"mkdir -p {below}; echo 2 > {below}/f",
    }
    assert watched.play(steps, 9) == [(1.1, "come"), (4.0, "gone"), (6.1, "come")]


def test_a_renewal_by_certbot(watch: Callable[..., Watched]) -> None:
    """The links of a lineage are replaced one after the other, with those of before under another name for a while."""
    names = ("cert", "privkey", "chain", "fullchain")
    make = "; ".join(f"echo 1 > archive/{name}1; ln -s ../archive/{name}1 a/{name}" for name in names)
    renew = "; ".join(f"echo 2 > archive/{name}2" for name in names)
    old = "; ".join(f"ln -s ../archive/{name}1 a/previous_{name}" for name in names)
    new = "; ".join(f"rm a/{name}; ln -s ../archive/{name}2 a/{name}" for name in names)
    gone = "; ".join(f"rm a/previous_{name}" for name in names)
    watched = watch(f"mkdir a archive; {make}", "a/fullchain")
    with watched.also("a") as lineage:
        assert watched.play({0: f"{renew}; {old}; {new}; {gone}"}) == REPLACED
        assert [change for _, change in lineage.notes] == ["changed"]
    assert watched.action.contents == ["2\n"]


def test_only_what_comes_at_the_beginning_of_a_run_may_be_its_own() -> None:
    """A change that is to interrupt a run counts as the action's own only within the first second."""
    clock = FakeTime()
    seen = []
    with Engine(clock=clock, wait=clock.wait) as engine:
        guard = Guard(engine, "file-x", "/x")
        seen.append(guard.is_early)
        guard.drop()
        for seconds in (0, 0.9, 0.2):
            clock.now += seconds
            seen.append(guard.is_early)
    assert seen == [False, True, True, False]
