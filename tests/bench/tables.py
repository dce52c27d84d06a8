"""What a measure yields: one quantity, of several programs, in one or several cases."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Cell:
    """The samples of one program in one case.

    :param samples: one number for each try, in the unit of the table
    """

    samples: tuple[float, ...]

    def quantile(self, part: float) -> float:
        """Return the sample below which a part of all samples is."""
        ordered = sorted(self.samples)
        return ordered[round(part * (len(ordered) - 1))]

    @property
    def median(self) -> float:
        """The middle of the samples."""
        return statistics.median(self.samples)


@dataclass
class Table:
    """One quantity.

    :param name: a word for files and for ``--only``
    :param title: what is measured
    :param unit: ms, µs, MB or nothing
    :param base: the row to which the others are compared, in the same case; or the case to which the others are, in the
        same row
    :param heads: the cases, or one without a name
    :param rows: the cells of each program, by case
    :param notes: what was left out, and why
    """

    name: str
    title: str
    unit: str
    base: str
    heads: list[str] = field(default_factory=lambda: [""])
    rows: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, row: str, sample: float, head: str = "") -> None:
        """Add a sample."""
        self.rows.setdefault(row, {}).setdefault(head, []).append(sample)

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def cell(self, row: str, head: str) -> Cell | None:
        """Return what was measured there, or None if nothing was."""
        samples = self.rows.get(row, {}).get(head)
        return Cell(tuple(samples)) if samples else None

    def ratio(self, row: str, head: str) -> float | None:
        """Return the median as a multiple of the base's, or None if there is no base, or it is 0."""
        if not self.base:
            return None
        cell = self.cell(row, head)
        base = self.cell(row, self.base) if self.base in self.heads else self.cell(self.base, head)
        return cell.median / base.median if cell and base and base.median else None

    def as_json(self) -> dict[str, object]:
        """Return what can be written to a file."""
        return asdict(self)


def from_json(given: Mapping[str, object]) -> Table:
    """Return the table that was written to a file."""
    return Table(**given)  # type: ignore[arg-type] # what as_json() has returned
