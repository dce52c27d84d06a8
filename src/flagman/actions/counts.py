"""The action that logs what has run, and how often."""

from __future__ import annotations

import logging

from flagman.actions.logs import LogAction
from flagman.engine.action import Action
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    #: Numbers by name.
    Counts = dict[str, float]

logger = logging.getLogger("flagman.statistics")

_OF_FLAG = ("runs", "failures", "raised", "ignored", "merged")
# The seconds of all runs.
_TOOK = "took"


class LogStatisticsAction(Action):
    """Logs how often everything has run, failed and was started, in all and since the last time.

    It leaves out what has not changed since then. The level is info if none is given.
    """

    example = "log_statistics warning"

    def set_up(self, level: str = "info") -> None:
        """Keep the level.

        :param level: debug, info, warning, error or critical
        :raises UsageError: if nothing here knows a status
        """
        self.check_arguments(level)
        if not self.engine.offers("status"):
            raise UsageError("only the command flagman has statistics")
        self._level = getattr(logging, level.upper())
        self._before: dict[str, Counts] = {}

    @classmethod
    def check_arguments(cls, level: str = "info") -> None:
        """Refuse other levels."""
        LogAction.check_arguments(level)

    def run(self) -> None:
        """Write one record for each flag, process and action that has something to tell."""
        now = dict(_counts(self.engine.ask("status"), self.engine.turn.flag))
        changed = {name: counts for name, counts in now.items() if counts != self._before.get(name, {})}
        for name, counts in changed.items():
            logger.log(self._level, "%s: %s", name, _shown(counts, self._before.get(name, {})))
        if not changed:
            logger.log(self._level, "nothing has run since the last time")
        self._before = now


def _shown(counts: Counts, before: Counts) -> str:
    """Return numbers with what has been added: ``runs 12 (+3), took 1.50 s (+0.20 s)``."""
    parts = []
    for name, value in counts.items():
        added = value - before.get(name, 0)
        if name == _TOOK:
            parts.append(f"{name} {value:.2f} s ({added:+.2f} s)")
        else:
            parts.append(f"{name} {round(value, 6):.15g} ({round(added, 6):+.15g})")
    return ", ".join(parts)


def _counts(status: Any, own: str) -> Iterator[tuple[str, Counts]]:  # type: ignore[explicit-any]  # noqa: ANN401 - JSON
    """Yield names and numbers: first those of flags, each with the actions that count something themselves.

    :param own: the flag of this action, which tells nothing if there is no other action behind it
    """
    for flag in status["flags"]:
        if flag["name"] != own or len(flag["actions"]) > 1:
            took = (flag["mean_duration"] or 0) * flag["runs"]
            yield flag["name"], _some({name: flag[name] for name in _OF_FLAG} | {_TOOK: took})
        for action in flag["actions"]:
            if action["statistics"]:
                yield f"{flag['name']}: {action['name']}", dict(action["statistics"])
    for process in status.get("processes", ()):
        deaths = {f"deaths by {reason}": number for reason, number in process["deaths"].items()}
        yield f"process {process['name']}", _some({"starts": process["instance"], **deaths})


def _some(counts: Mapping[str, float]) -> Counts:
    """Return the numbers that are not 0."""
    return {name: value for name, value in counts.items() if value}
