"""What the page is told, for type checkers: the status and the history as JSON has them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypedDict

    class Report(TypedDict):
        """How a run went, of a flag or of an action."""

        ended: str
        ended_ago: float
        duration: float
        result: str
        error: str | None

    class Action(TypedDict):
        """An action of a flag."""

        name: str
        arguments: Sequence[str]
        closed: bool
        runs: int
        failures: int
        last: Report | None
        statistics: object
        state: object

    class Flag(TypedDict):
        """A flag with its actions."""

        name: str
        trigger: str
        raised: int
        runs: int
        failures: int
        failures_in_a_row: int
        last: Report | None
        mean_duration: float | None
        longest_duration: float | None
        ignored: int
        merged: int
        held: int
        running: bool
        running_since: str | None
        running_since_ago: float | None
        next_due: str | None
        next_due_in: float | None
        actions: Sequence[Action]

    class Backoff(TypedDict):
        """When a process is going to be started again."""

        n: int
        next_start: str
        next_start_in: float

    class End(TypedDict):
        """How a process has ended."""

        reason: str
        text: str
        at: str
        at_ago: float
        output: Sequence[str]

    class Blocker(TypedDict):
        """A process that another one waits for."""

        name: str

    class Verifier(TypedDict):
        """What verifies that a process is ready."""

        type: str
        last_error: str
        tries: int

    class Stray(TypedDict):
        """What a process has left behind."""

        pid: int
        name: str

    class Process(TypedDict):
        """A process that flagman keeps."""

        name: str
        wanted: str
        state: str
        health: str
        ready: bool
        since: str
        since_ago: float
        pid: int | None
        instance: int
        restarts: int
        deaths: Mapping[str, int]
        backoff: Backoff | None
        blocked_by: Sequence[Blocker]
        last: End | None
        text: str
        command: Sequence[str]
        after: Sequence[str]
        essential: bool
        verifier: Verifier | None
        strays: Sequence[Stray]

    class Config(TypedDict):
        """The configuration file."""

        file: str | None
        loaded: str | None
        loaded_ago: float | None
        ok: bool
        error: str | None

    class _Status(TypedDict):
        version: str
        pid: int
        state: str
        since: str
        since_ago: float
        started: str
        started_ago: float
        ready: bool
        config: Config
        flags: Sequence[Flag]
        events_last_id: int

    class Status(_Status, total=False):
        """The whole run; the keys of its parts are there if they are."""

        name: str
        processes: Sequence[Process]

    class Run(TypedDict):
        """A run of the history."""

        id: int
        flag: str
        ended: str
        duration: float
        result: str
        error: str | None
        raised: int

    class Event(TypedDict):
        """Something that has happened to a process."""

        at: str
        process: str
        event: str
        pid: int | None
        status: str
        text: str

    class History(TypedDict):
        """What has happened, the oldest first."""

        runs: Sequence[Run]
        processes: Sequence[Event]
