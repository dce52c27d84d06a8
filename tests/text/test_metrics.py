"""The text format of metrics, read back by the parser of prometheus_client."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse

from flagman.text.metrics import Family, labels, labels_of_all, text

# All that a name may hold in Python, also bytes that are no UTF-8, and many that mean something in the format.
NAMES = st.text(st.one_of(st.characters(), st.characters(categories=["Cs"]), st.sampled_from('\\"\n{}, =#\r\0\x1b')))
NUMBERS = st.one_of(st.booleans(), st.integers(0, 2**53), st.floats(allow_nan=False))


def read(written: str) -> list[tuple[str, dict[str, str], float]]:
    """Return all values with their names and labels; the text has to be UTF-8."""
    families = parse(written.encode().decode())
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]


@given(st.lists(st.tuples(NAMES, NUMBERS), unique_by=lambda pair: pair[0]), NAMES)
@example([("a\udc80", 1), (r"a\x80", 2), (r"a\x80~2", 3), ("a\nb", 4), (r"a\nb", 5)], 'q"')
def test_what_is_written_reads_back(pairs: list[tuple[str, float]], common: str) -> None:
    """Each value has labels of its own, the values read back, and so do names that can be shown, and new lines."""
    found = labels_of_all("flag", [name for name, _ in pairs])
    family = Family("x_total", "counter", "What it is.", ("flag",))
    for name, value in pairs:
        family.add(value, found[name])
    back = read(text([family], labels(daemon=common)))
    assert [(name, value) for name, _, value in back] == [("x_total", float(value)) for _, value in pairs]
    seen = [own["flag"] for _, own, _ in back]
    assert len(set(seen)) == len(pairs)
    for shown, (name, _) in zip(seen, pairs, strict=True):
        assert re.sub("[\t\n]", "", shown).isprintable()
        if all(part.isprintable() for part in name.split("\n")) and "~" not in shown:
            assert shown == name


def test_families() -> None:
    """A family has its explanation and its type; one without values is left out; a summary has two names."""
    took, nothing = Family("took_seconds", "summary", "How long.", ("flag",)), Family("x", "gauge", "X.")
    up = Family("up", "gauge", "Whether.")
    up.add(value=True)
    for end, value in (("_sum", 0.25), ("_count", 3)):
        took.add(value, labels(flag="usr1"), end)
    assert text([took, nothing, up]) == (
        "# HELP took_seconds How long.\n# TYPE took_seconds summary\n"
        'took_seconds_sum{flag="usr1"} 0.25\ntook_seconds_count{flag="usr1"} 3\n'
        "# HELP up Whether.\n# TYPE up gauge\nup 1\n"
    )
    assert 'up{daemon="web"} 1\n' in text([up], labels(daemon="web"))
    assert text([]) == ""
