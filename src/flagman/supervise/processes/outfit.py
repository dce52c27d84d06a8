"""What one process is started with, and what watches it: the launch, its output, its verifiers."""

from __future__ import annotations

import logging
import os
from contextlib import suppress

from flagman.children import environment, front
from flagman.exceptions import one_line
from flagman.supervise.ends import StartError
from flagman.supervise.launch.launch import Launch
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.instance import Instance
    from flagman.supervise.launch.capture import Capture
    from flagman.supervise.processes.plan import Plan
    from flagman.supervise.verifiers.check import Check
    from flagman.supervise.verifiers.kind import Gifts
    from flagman.supervise.verifiers.liveness import Liveness
    from flagman.supervise.verifiers.verification import Verification

logger = logging.getLogger("flagman.supervise")

# The lines of output that the end of an instance keeps.
_LINES = 20
# Outputs that are not taken in.
_PASSED = ("inherit", "null")


def launch_of(plan: Plan, start_directory: str) -> Launch:
    """Return what starts a process; users are looked up here, which may take long.

    :param start_directory: where relative paths of programs begin
    :raises UsageError: if there is no such user or group
    """
    return Launch(
        command=plan.command,
        directory=plan.directory,
        environment=plan.environment,
        user=plan.user,
        group=plan.group,
        umask=plan.umask,
        nice=plan.nice,
        limits=plan.limits,
        base={
            **environment.for_commands(),
            b"FLAGMAN_PID": b"%d" % front.pid(),
            b"FLAGMAN_PROCESS": plan.name.encode(),
        },
        start_directory=start_directory,
    )


class Target:
    """What verifiers know of an instance.

    :param name: of the process
    :param instance: the instance
    :param outfit: starts commands that verify it
    """

    def __init__(self, name: str, instance: Instance, outfit: Outfit) -> None:
        self.name = name
        self.pid = instance.pid
        self._instance = instance
        self._outfit = outfit
        self.environment = outfit.environment

    def is_alive(self) -> bool:
        """Return whether its leader has not ended."""
        return not self._instance.has_ended()

    def start(self, words: tuple[str, ...], streams: Mapping[int, int], on_end: Callable[[], object]) -> Instance:
        """Start a command as the process was started: as its user, in its directory, with its environment.

        :raises StartError: if that fails
        """
        return self._outfit.start_command(words, streams, on_end)


class Outfit:
    """Starts the instances of one process.

    :param loop: the control loop
    :param streams: the descriptors that the standard streams lead to, where they are not those of this process
    """

    def __init__(self, plan: Plan, launch: Launch, loop: ControlLoop, streams: Mapping[int, int]) -> None:
        self._plan = plan
        self._launch = launch
        self._loop = loop
        self._streams = streams
        self._capture: Capture | None = None
        self._captured = ""
        self._gifts: Gifts | None = None
        self._instance: Instance | None = None
        #: All variables of the present instance.
        self.environment: Mapping[bytes, bytes] = {}
        # Those that mark it, and what it starts.
        self._marks: Mapping[bytes, bytes] = {}
        # What its output had come to when it was started.
        self._since = 0

    @property
    def capture(self) -> Capture | None:
        """What takes the output in, also before the first start; None if nothing does."""
        if self._capture is None and self._plan.output not in _PASSED:
            self._captured_by(self._plan.output)
        return self._capture

    def follow(self, plan: Plan, launch: Launch) -> None:
        """Start the next instance in another way."""
        self._plan = plan
        self._launch = launch

    def start(self, marks: Mapping[bytes, bytes], on_end: Callable[[], object]) -> Instance:
        """Start an instance.

        :param marks: variables of this instance
        :raises StartError: if that fails
        """
        check = self._plan.ready
        self._marks = marks
        self._since = self._capture.position if self._capture is not None else 0
        own: list[int] = []
        try:
            self._gifts = check.gifts(self._loop) if check is not None else None
            variables = {**marks, **(self._gifts.environment if self._gifts is not None else {})}
            streams = {**self._open(own), **(self._gifts.streams if self._gifts is not None else {})}
            self._instance = self._launch.start(environment=variables, streams=streams, loop=self._loop, on_end=on_end)
        except Exception as error:
            if self._gifts is not None:
                self._gifts.close()
                self._gifts = None
            if isinstance(error, StartError):
                raise
            if not isinstance(error, OSError | ValueError):
                logger.exception("`%s` could not be started", self._plan.name)  # a defect is a failed start, too
                error = ValueError(one_line(error))
            raise StartError(self._plan.command[0], error) from error
        finally:
            for descriptor in own:
                os.close(descriptor)
        if self._gifts is not None:
            self._gifts.given()
        self.environment = {**self._launch.environment, **variables}
        return self._instance

    def _open(self, own: list[int]) -> dict[int, int]:
        """Return the descriptors of the standard streams; add those to a list that are to be closed afterwards."""
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        own.append(null)
        output = self._plan.output
        if output in _PASSED:
            self._end_capture()
            return {0: null, **self._streams} if output == "inherit" else {0: null, 1: null, 2: null}
        writer = self._captured_by(output).begin()
        own.append(writer)
        return {0: null, 1: writer, 2: writer}

    def _captured_by(self, output: str) -> Capture:
        if self._capture is None or self._captured != output:
            from flagman.supervise.launch.capture import Capture  # noqa: PLC0415 - few processes are captured

            self._end_capture()
            self._capture = Capture(self._plan.name, output, self._loop)
            self._captured = output
            self._since = 0
        return self._capture

    def _end_capture(self) -> None:
        if self._capture is not None:
            with suppress(OSError):
                self._capture.close()
            self._capture = None

    def start_command(
        self, words: tuple[str, ...], streams: Mapping[int, int], on_end: Callable[[], object]
    ) -> Instance:
        """Start another command in the same way."""
        return self._launch.start(words, environment=self._marks, streams=streams, loop=self._loop, on_end=on_end)

    def verification(
        self, on_verdict: Callable[[str], object], on_failure: Callable[[str], object]
    ) -> Verification | None:
        """Return what verifies the present instance, see Verification."""
        check, instance, gifts = self._plan.ready, self._instance, self._gifts
        if check is None or instance is None or gifts is None:
            return None
        from flagman.supervise.verifiers.verification import Verification  # noqa: PLC0415 - many processes have none

        target = Target(self._plan.name, instance, self)
        return Verification(check, target, self._loop, gifts, on_verdict, on_failure=on_failure)

    def liveness(self, on_failure: Callable[[str], object]) -> Liveness | None:
        """Return what watches the health of the present instance."""
        check: Check | None = self._plan.liveness
        if check is None or self._instance is None:
            return None
        from flagman.supervise.verifiers.liveness import Liveness  # noqa: PLC0415 - as above

        return Liveness(check, Target(self._plan.name, self._instance, self), self._loop, on_failure)

    def when_it_runs(self, code: Callable[[], object]) -> None:
        """Call ``code`` when the program of the present instance runs, after the steps before it."""
        if self._instance is not None:
            self._launch.when_it_runs(self._instance, code)

    def trouble(self) -> str:
        """Return which step before the program has failed; empty if none has."""
        trouble = self._launch.trouble(self._instance) if self._instance is not None else ""
        return f"{shown(self._plan.command[0])!r}: {trouble}" if trouble else ""

    def output(self) -> list[str]:
        """Return the last lines of output of the present instance; none if they are not taken in."""
        if self._capture is None:
            return []
        self._capture.end()
        return self._capture.tail(_LINES, self._since)

    def present(self) -> list[str]:
        """Return the last lines of output so far; none if they are not taken in."""
        return self._capture.tail(_LINES, self._since) if self._capture is not None else []

    def buried(self) -> None:
        """Release what belongs to the instance that is over."""
        if self._gifts is not None:
            self._gifts.close()
            self._gifts = None
        self._instance = None

    def close(self) -> None:
        """Release everything."""
        self.buried()
        self._end_capture()
