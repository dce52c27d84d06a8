"""Programs take turns, A B B A, so that a machine that becomes slower does so for all of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.running import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.running import Target
    from bench.tables import Table


def take_turns(
    table: Table, targets: Sequence[Target], number: int, longest: float, measure: Callable[[Target], None]
) -> None:
    """Measure each target as often as asked, in turns.

    :param table: takes a note about each target that failed, or that had fewer turns because it took too long
    :param longest: seconds for all turns of one target
    :param measure: measures a target once
    """
    spent = dict.fromkeys((target.name for target in targets), 0.0)
    for turn in range(number):
        for target in targets if turn % 2 == 0 else list(reversed(targets)):
            if spent[target.name] > longest:
                continue
            begin = time.monotonic()
            try:
                measure(target)
            except NotReadyError as error:
                table.note(str(error))
                spent[target.name] = longest
            spent[target.name] += time.monotonic() - begin
