"""The users that may use the control socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flagman.control import peers
from flagman.control.peers import Peers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
OTHER, GROUP = 12345, 23456

CONNECT = """
import json, os, socket, sys
path, user, group, groups = json.loads(sys.argv[1])
os.setgroups(groups); os.setgid(group); os.setuid(user)
client = socket.socket(socket.AF_UNIX); client.connect(path); print(flush=True); sys.stdin.read()
"""


def refusal(
    path: Path,
    of: Peers,
    user: int = OTHER,
    group: int = OTHER,
    *,
    groups: Sequence[int] = (),
    own: int | None = None,
) -> str:
    """Return why a user is refused that connects to a socket.

    :param own: the user that this process is meanwhile
    """
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o666)
        server.listen()
        words = [sys.executable, "-IS", "-c", CONNECT, f'["{path}", {user}, {group}, {list(groups)}]']
        client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
        try:
            connection, _ = server.accept()
            before = os.geteuid()
            if own is not None:
                os.seteuid(own)
            with connection:
                return of.refusal(connection)
        finally:
            os.seteuid(before)
            client.communicate()
            path.unlink()


def test_ourselves(tmp_path: Path) -> None:
    """The user of this process is let in."""
    assert refusal(tmp_path / "s", Peers(None), os.geteuid(), os.getegid(), groups=os.getgroups()) == ""


@needs_root
def test_other_users(open_path: Path) -> None:
    """Root and the user of this process are let in, and no other one."""
    path = open_path / "s"
    assert refusal(path, Peers(None), 0, 0, own=OTHER) == ""
    assert refusal(path, Peers(None), OTHER, own=OTHER) == ""
    told = f"the user {OTHER} is refused: only root and the user 0 may use this socket"
    assert refusal(path, Peers(None)) == told
    assert refusal(path, Peers(None), group=0, groups=[0]) == told


@needs_root
def test_a_group(open_path: Path) -> None:
    """Members of the group are let in, whether it is their first group or another one."""
    path, of = open_path / "s", Peers(GROUP)
    assert refusal(path, of, group=GROUP) == ""
    assert refusal(path, of, groups=[5, GROUP, 9]) == ""
    assert refusal(path, of, groups=[5, 9]) == (
        f"the user {OTHER} is refused: only root, the user 0 and members of the group {GROUP} may use this socket"
    )


@needs_root
def test_more_groups_than_can_be_asked_for(open_path: Path) -> None:
    """With too many groups a user is refused, for this reason, even if the group is one of them."""
    path = open_path / "s"
    groups = range(GROUP, GROUP + 256)
    assert refusal(path, Peers(GROUP), groups=groups) == ""
    many = f"the user {OTHER} is refused: it is in too many groups to be asked for"
    assert refusal(path, Peers(GROUP), groups=range(GROUP, GROUP + 257)) == many
    assert refusal(path, Peers(None), groups=range(GROUP, GROUP + 257)).endswith(
        "only root and the user 0 may use this socket"
    )
    assert refusal(path, Peers(GROUP), 0, groups=range(GROUP, GROUP + 257)) == ""


@needs_root
def test_unknown_users_and_groups(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number that stands for unknown users, or groups, lets none in, even if this process has it."""
    monkeypatch.setattr(peers, "_unknown", {"uid": OTHER, "gid": GROUP}.get)
    path, of = open_path / "s", Peers(GROUP)
    assert refusal(path, of, own=OTHER) != ""
    assert refusal(path, of, group=GROUP) != ""
    assert refusal(path, of, groups=[GROUP]) != ""
    assert refusal(path, of, 0, 0) == ""


@needs_root
def test_another_user_namespace() -> None:
    """In a namespace with other users, these have the number of unknown ones; outside of any, each is known."""
    program = "from flagman.control.peers import _unknown; print(_unknown('uid'), _unknown('gid'))"
    words = [sys.executable, "-c", program]
    found = [
        subprocess.run([*prefix, *words], check=False, capture_output=True, encoding="utf-8").stdout
        for prefix in ([], ["unshare", "--user", "--map-root-user"])
    ]
    if not found[1]:
        pytest.skip("no user namespace can be made here")
    assert found == ["None None\n", "65534 65534\n"]


def test_what_is_no_connection(tmp_path: Path) -> None:
    """What the kernel does not know is refused, and raises nothing."""
    with socket.socket(socket.AF_UNIX) as loose:
        loose.bind(str(tmp_path / "s"))
        assert Peers(None).refusal(loose)
    assert Peers(None).refusal(loose).startswith("unknown users are refused: ")
