"""How much is measured: all of it in about ten minutes, a quick look in three, or next to nothing for a test."""

from __future__ import annotations

from typing import NamedTuple


class Effort(NamedTuple):
    """The numbers of tries.

    :param starts: how often each program is started to be timed
    :param rounds: in how many rounds programs take turns
    :param signals: signals to each in a round
    :param lost: signals to each on a loaded machine
    :param seconds: how long idle programs are watched
    :param requests: requests in a round
    :param kept: numbers of processes to keep
    :param many: numbers of actions, timers and files
    :param packages: numbers of installed distributions
    :param longest: seconds that one program may take for its share of a measure
    """

    starts: int
    rounds: int
    signals: int
    lost: int
    seconds: float
    requests: int
    kept: tuple[int, ...]
    many: tuple[int, ...]
    packages: tuple[int, ...]
    longest: float


FULL = Effort(31, 5, 500, 20_000, 20, 300, (1, 50, 200), (1, 100, 10_000), (1, 100, 1_000), 15)
QUICK = Effort(7, 2, 200, 1_000, 3, 50, (1, 20), (1, 100, 1_000), (1, 100), 3)
TINY = Effort(1, 1, 3, 20, 0.2, 2, (1, 2), (1, 3), (1, 2), 1)
