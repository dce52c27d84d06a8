"""The start of a process as its plan says: the program is found, and a shim takes the steps that are needed before."""

from __future__ import annotations

import fcntl
import os
import signal
import weakref
from contextlib import contextmanager

from flagman.children.environment import encoded, given
from flagman.supervise.ends import StartError
from flagman.supervise.instance import Instance
from flagman.supervise.launch import steps
from flagman.supervise.launch.program import find, resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.launch.report import Report

_STANDARD_ERROR = 2


class Launch:
    """Starts the lives of one process, and other commands with its user, its directory and its environment.

    The constructor is called in the main thread, because to look up a user may take long; the rest in the control loop.

    :param command: the program and its arguments; a name without a slash is looked for in the PATH of the process, and
        a path is relative to ``start_directory``
    :param directory: the working directory, entered as the user; None for that of flagman
    :param environment: what is added to ``base``
    :param user: a name or a uid; with it come the user's groups, and HOME, USER, LOGNAME and SHELL
    :param group: a name or a gid; by default that of the user
    :param umask: None for that of flagman
    :param nice: see :manpage:`setpriority(2)`; None for that of flagman
    :param limits: soft and hard limits by the names of :manpage:`setrlimit(2)` in lower case, such as ``nofile``; -1
        for none
    :param base: the environment that commands inherit
    :param start_directory: where flagman was started
    :raises UsageError: if there is no such user or group
    """

    def __init__(  # noqa: PLR0913 - what a plan says
        self,
        *,
        command: Sequence[str],
        directory: str | None,
        environment: Mapping[str, str],
        user: str | None,
        group: str | None,
        umask: int | None,
        nice: int | None,
        limits: Mapping[str, tuple[int, int]],
        base: Mapping[bytes, bytes],
        start_directory: str,
    ) -> None:
        self._command = tuple(command)
        self._start_directory = start_directory
        identity = steps.identity_of(user, group)
        self._is_for_other = identity is not None
        self._directory = directory or ""
        self._steps = steps.steps_of(
            identity, names_user=user is not None, directory=directory, umask=umask, nice=nice, limits=limits
        )
        self._shim = steps.source() if self._steps else ""
        self._for_loader = steps.for_loader()  # here, because actions in this thread may change the environment later
        changes: dict[bytes, bytes | None] = {} if identity is None else steps.login(identity)
        if directory is not None:
            changes[b"PWD"] = encoded(directory)
        changes |= given(environment)
        merged: dict[bytes, bytes | None] = {**base, **changes}
        #: What every life gets.
        self.environment = {name: value for name, value in merged.items() if value is not None}
        self._reports: weakref.WeakKeyDictionary[Instance, Report] = weakref.WeakKeyDictionary()

    def start(
        self,
        words: Sequence[str] | None = None,
        *,
        environment: Mapping[bytes, bytes],
        streams: Mapping[int, int],
        loop: ControlLoop,
        on_end: Callable[[], object],
    ) -> Instance:
        """Start a life of the process, in a session of its own.

        :param words: another command; by default that of the process
        :param environment: what is added for this life
        :param streams: the descriptors that its own lead to, by the numbers of its own. It has no others, but a
            standard stream that is missing here leads where that of flagman does.
        :param loop: watches it
        :param on_end: called when the leader, or others of the group, may have ended
        :raises StartError: if the program is not there or cannot be run, or the system is short of something. Where
            there are steps to take, see :meth:`trouble`, too.
        """
        words = self._command if words is None else tuple(words)
        whole = {**self.environment, **environment}
        program = resolved(words[0], self._start_directory)
        try:
            path = os.fsdecode(whole.get(b"PATH", os.defpath.encode()))
            program = find(words[0], path, self._start_directory, is_for_other=self._is_for_other)
            if self._steps:
                return self._start_shim(program, words, whole, streams, loop, on_end)
            with _apart(streams) as ours:
                return Instance(words, whole, program=program, streams=ours, inherits=False, loop=loop, on_end=on_end)
        except (OSError, ValueError) as error:
            raise StartError(program, error) from error

    def _start_shim(  # noqa: PLR0913, PLR0917 - as above
        self,
        program: str,
        words: tuple[str, ...],
        environment: Mapping[bytes, bytes],
        streams: Mapping[int, int],
        loop: ControlLoop,
        on_end: Callable[[], object],
    ) -> Instance:
        from flagman.supervise.launch.report import Report  # noqa: PLC0415 - most processes need none

        number = max((_STANDARD_ERROR, *streams)) + 1
        command = steps.words_of(self._shim, number, self._steps, program, words)
        reader, writer = os.pipe()
        try:
            with _apart({**streams, number: writer}) as ours:
                instance = Instance(
                    command,
                    {**self._for_loader, **steps.disguised(environment)},
                    streams=ours,
                    inherits=False,
                    blocked=(signal.SIGINT,),
                    loop=loop,
                    on_end=on_end,
                )
        except (FileNotFoundError, PermissionError) as error:
            os.close(reader)
            raise ValueError(f"{command[0]!r}, which it needs: {error.strerror}") from error
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._reports[instance] = Report(reader, loop, program, self._directory)
        return instance

    def when_it_runs(self, instance: Instance, code: Callable[[], object]) -> None:
        """Call ``code`` when all steps before the program of a life have been taken; at once if there are none."""
        report = self._reports.get(instance)
        if report is None:
            code()
        else:
            report.on_success = code

    def trouble(self, instance: Instance) -> str:
        """Return which step before the program of a life has failed, and why; empty if none has.

        The exit status of such a life is 127 if the program was not there, and 126 otherwise.

        :param instance: its leader has ended
        """
        report = self._reports.get(instance)
        return "" if report is None else report.text()


@contextmanager
def _apart(streams: Mapping[int, int]) -> Iterator[dict[int, int]]:
    """Yield the streams with copies of those descriptors that would be overwritten before they are passed on."""
    copies = []
    try:
        ours = dict(streams)
        for number, source in streams.items():
            if source in streams:
                ours[number] = int(fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, max(streams) + 1))
                copies.append(ours[number])
        yield ours
    finally:
        for copy in copies:
            os.close(copy)
