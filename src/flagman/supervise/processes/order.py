"""The order of processes: what comes after what, and the circles in it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def cycles(after: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return circles, so that without one edge of each there is none left.

    :param after: what each one waits for; names that are no keys are ignored
    """
    found: list[list[str]] = []
    done: set[str] = set()
    for start in after:
        # By hand, because a long row of processes would be deeper than Python's stack.
        path: list[str] = []
        on_path: set[str] = set()
        left = [iter((start,))]
        while left:
            name = next(left[-1], None)
            if name is None:
                left.pop()
                if path:
                    done.add(path[-1])
                    on_path.discard(path.pop())
            elif name in on_path:
                found.append(path[path.index(name) :])
            elif name not in done and name in after:
                path.append(name)
                on_path.add(name)
                left.append(iter(after[name]))
    return found


def longest_rows(after: Mapping[str, Iterable[str]], times: Mapping[str, float]) -> dict[str, float]:
    """Return for each process the largest sum of times along a row that ends with it; each one waits for the next.

    :param after: what each one waits for, without circles; names that are no keys are ignored
    :param times: of each
    """
    sums: dict[str, float] = {}
    left = [*after]
    while left:
        name = left[-1]
        missing = [each for each in after[name] if each in after and each not in sums]
        if missing and name not in sums:
            left += missing
            continue
        left.pop()
        sums[name] = times[name] + max((sums[each] for each in after[name] if each in after), default=0)
    return sums


def longest_time(after: Mapping[str, Iterable[str]], times: Mapping[str, float]) -> float:
    """Return the largest of these sums; 0 if there is none."""
    return max(longest_rows(after, times).values(), default=0.0)
