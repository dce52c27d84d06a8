"""What has been asked of the kernel, by inode; several watched paths may need events of the same one."""

from __future__ import annotations

import errno
from contextlib import suppress

from flagman.triggers.files import inotify
from flagman.triggers.files.claims import LEAST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Protocol

    from flagman.triggers.files.claims import Claim, Inode
    from flagman.triggers.files.inotify import Inotify

    class Watch(Protocol):
        """A watched path."""

        #: The path.
        path: str
        #: The path for the log.
        shown: str

        @property
        def is_busy(self) -> bool:
            """Whether a process is still writing there."""

        def on_event(self, claim: Claim, mask: int, name: str) -> bool:
            """Take note of an event; return whether it matters."""

        def on_overflow(self) -> None:
            """Take note that events have been lost."""

        def on_mount(self) -> None:
            """Take note that something was mounted somewhere, or is no longer."""

        def settle(self) -> None:
            """Plan a look, after events that matter."""

        def look_blindly(self) -> None:
            """Look at once, because nothing reports what happens there."""


# Events that are reported without a request.
_FOR_ALL = inotify.UNMOUNT | inotify.IGNORED
# Errors that mean: it was removed or replaced after the look at it.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)


class _Node:
    """An inode that is watched.

    :param number: the kernel's number of the watch
    """

    __slots__ = ("_asking", "claims", "ends", "inode", "mask", "names", "number")

    def __init__(self, number: int, inode: Inode) -> None:
        self.number = number
        self.inode = inode
        self.mask = 0
        self.claims: dict[Watch, Claim] = {}
        # How many claims ask for each set of events: there are few sets, and there may be many claims.
        self._asking: dict[int, int] = {}
        # The claims to which an entry matters, by its name.
        self.names: dict[str, dict[Watch, Claim]] = {}
        # The claims of paths at which it stands.
        self.ends: dict[Watch, Claim] = {}

    def set(self, watch: Watch, claim: Claim) -> None:
        self.drop(watch)
        self.claims[watch] = claim
        self._asking[claim.mask] = self._asking.get(claim.mask, 0) + 1
        for name in claim.names:
            self.names.setdefault(name, {})[watch] = claim
        if claim.is_end:
            self.ends[watch] = claim

    def drop(self, watch: Watch) -> Claim | None:
        claim = self.claims.pop(watch, None)
        if claim is None:
            return None
        self._asking[claim.mask] -= 1
        if not self._asking[claim.mask]:
            del self._asking[claim.mask]
        for name in claim.names:
            takers = self.names[name]
            del takers[watch]
            if not takers:
                del self.names[name]
        self.ends.pop(watch, None)
        return claim

    def needed(self) -> int:
        """Return the events that its claims need."""
        mask = 0
        for each in self._asking:
            mask |= each
        return mask

    def takers(self, mask: int, name: str) -> dict[Watch, Claim]:
        """Return the claims that an event concerns: others may have asked for more about the same inode."""
        if name:
            return {**self.ends, **self.names.get(name, {})}
        return {watch: claim for watch, claim in self.claims.items() if mask & (claim.mask | _FOR_ALL)}


class Table:
    """The claims of all watched paths.

    :param source: the descriptor
    """

    def __init__(self, source: Inotify) -> None:
        self._source = source
        self._nodes: dict[int, _Node] = {}
        # The nodes of each watched path.
        self._by_watch: dict[Watch, dict[Inode, _Node]] = {}
        self._by_inode: dict[Inode, _Node] = {}

    def __repr__(self) -> str:
        return f"<Table of {len(self._nodes)} inodes>"

    def claim(self, watch: Watch, wanted: Mapping[Inode, Claim]) -> tuple[bool, set[Inode], OSError | None]:
        """Ask for what a watched path needs, and no longer for anything else.

        :returns: whether anything new was asked for, so that the way may have changed meanwhile; the inodes that may
            not be watched; and the error that shows that a limit is reached
        """
        is_new, trouble = False, None
        refused: set[Inode] = set()
        nodes = self._by_watch.setdefault(watch, {})
        for inode, claim in wanted.items():
            node = nodes.get(inode)
            if node is not None and node.claims[watch] == claim:
                continue
            try:
                self._ask(watch, inode, claim)
                is_new = True
            except OSError as error:
                if error.errno == errno.EACCES:
                    refused.add(inode)
                elif error.errno in _GONE:
                    is_new = True
                else:
                    trouble = error
        for inode in nodes.keys() - wanted.keys():
            self._drop(watch, nodes.pop(inode))
        return is_new, refused, trouble

    def _ask(self, watch: Watch, inode: Inode, claim: Claim) -> None:
        node = self._by_inode.get(inode)
        if node is None or claim.mask & ~node.mask:
            number = self._source.add(claim.place, inode, claim.mask)
            node = self._nodes.get(number)
            if node is None:
                node = self._nodes[number] = _Node(number, inode)
            elif node.inode != inode:  # it is shown with another number since, as by an overlay
                self._rename(node, inode)
            self._by_inode[inode] = node
            node.mask |= claim.mask
        before = node.claims.get(watch)
        node.set(watch, claim)
        self._by_watch[watch][inode] = node
        if before is not None and before.mask & ~claim.mask:
            self._narrow(node)

    def _rename(self, node: _Node, inode: Inode) -> None:
        for watch in node.claims:
            self._by_watch[watch].pop(node.inode, None)
            self._by_watch[watch][inode] = node
        if self._by_inode.get(node.inode) is node:
            del self._by_inode[node.inode]
        node.inode = inode

    def _narrow(self, node: _Node) -> None:
        """Ask for no more events of an inode than its claims need."""
        mask = node.needed()
        if mask != node.mask:
            place = next(iter(node.claims.values())).place
            with suppress(OSError):  # it has gone: then the kernel reports that
                self._source.add(place, node.inode, mask, replace=True)
                node.mask = mask

    def _drop(self, watch: Watch, node: _Node) -> None:
        claim = node.drop(watch)
        if node.claims:
            if claim is not None and claim.mask & ~LEAST:
                self._narrow(node)
        elif self._forget(node):  # first of all, because events that are still queued mean nothing then
            self._source.remove(node.number)

    def _forget(self, node: _Node) -> bool:
        if self._by_inode.get(node.inode) is node:
            del self._by_inode[node.inode]
        return self._nodes.pop(node.number, None) is not None

    def remove(self, watch: Watch) -> None:
        """Forget a watched path."""
        for node in self._by_watch.pop(watch, {}).values():
            self._drop(watch, node)

    def read(self) -> Iterator[tuple[dict[Watch, Claim] | None, int, str]]:
        """Yield what has been reported: the claims that it concerns, the events, and the name of an entry.

        If events have been lost, there are no claims.
        """
        for number, mask, name in self._source.read():
            if mask & inotify.OVERFLOW:
                yield None, mask, name
                continue
            node = self._nodes.get(number)
            if node is None:
                continue
            yield node.takers(mask, name), mask, name
            if mask & inotify.IGNORED:  # the kernel has removed the watch
                self._forget(node)
                for watch in node.claims:
                    self._by_watch[watch].pop(node.inode, None)
