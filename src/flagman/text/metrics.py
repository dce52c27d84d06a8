"""The text format of Prometheus, which also other programs read: metrics of one name are a family.

The format is described at https://prometheus.io/docs/instrumenting/exposition_formats/, as version 0.0.4.
"""

from __future__ import annotations

from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    Kind = Literal["counter", "gauge", "summary"]

#: The media type of the format.
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


class Family:
    """The metrics of one name.

    :param name: the name, with the unit at its end, and then ``_total`` if it is a counter
    :param kind: ``counter``, ``gauge`` or ``summary``
    :param explanation: what it says, in one line without a backslash
    :param labels: the names of its labels
    """

    __slots__ = ("explanation", "kind", "labels", "name", "samples")

    def __init__(self, name: str, kind: Kind, explanation: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.kind = kind
        self.explanation = explanation
        self.labels = labels
        #: The end of the name, the labels as :func:`labels` writes them, and the value of each.
        self.samples: list[tuple[str, str, float]] = []

    def add(self, value: float, labels: str = "", end: str = "") -> None:
        """Add a value.

        :param value: a number; a bool counts as one
        :param labels: as :func:`labels` writes them
        :param end: what a summary appends to its name: ``_sum`` or ``_count``
        """
        self.samples.append((end, labels, value))


def labels(**values: str) -> str:
    """Return labels as the format has them, between its braces: ``flag="usr1"``.

    What a terminal would obey, and what is no Unicode, is shown as in messages.
    """
    return ",".join(f'{name}="{_quoted(value)}"' for name, value in values.items())


def _quoted(value: str) -> str:
    if not value.isprintable():
        value = "\n".join(map(printable, value.split("\n")))
    return value.translate(_ESCAPES)


def labels_of_all(name: str, values: Iterable[str]) -> dict[str, str]:
    """Return the label of each value; no two are the same, which would make the whole text worthless.

    :param name: the name of the label
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for value in values:
        label, number = labels(**{name: value}), 1
        while label in taken:  # two values that differ in what cannot be shown
            number += 1
            label = labels(**{name: f"{value}~{number}"})
        taken.add(label)
        found[value] = label
    return found


def text(families: Iterable[Family], common: str = "") -> str:
    """Return families in the text format; one without values is left out.

    :param common: labels that each value gets beside its own, as :func:`labels` writes them
    """
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        name = family.name
        lines += (f"# HELP {name} {family.explanation}", f"# TYPE {name} {family.kind}")
        for end, own, value in family.samples:
            braces = f"{common},{own}" if common and own else common or own
            number = value + 0  # also of a bool
            lines.append(f"{name}{end}{{{braces}}} {number!r}" if braces else f"{name}{end} {number!r}")
    lines.append("")
    return "\n".join(lines)
