"""The verb ``plan``: the order in which processes start, how long that took, and what decided it."""

from __future__ import annotations

from flagman.ctl.asking import chosen_names, processes_of, reach, told
from flagman.ctl.fields import Fields
from flagman.ctl.screen import DIM, Screen, color_of, write
from flagman.ctl.table import Cell, Column, table
from flagman.ctl.times import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flagman.ctl.words import Words

_NONE = "-"


def run(words: Words) -> int:
    """Print the order of a file, or the order and the times of a daemon.

    :returns: the exit status
    """
    answer = _of_file(words.config) if words.config else _of_daemon(words)
    if words.arguments:
        names = chosen_names(words.arguments, Fields(answer).each("processes"))
        start = {"start": answer["start"]} if "start" in answer else {}
        answer = {**start, "processes": Fields(answer).chosen("processes", names)}
    plan = told(words, answer)
    if not words.json:
        write("\n".join(_page(plan, Screen(words.color), is_named=bool(words.arguments))))
    return 0


def _of_daemon(words: Words) -> Mapping[str, object]:
    client = reach(words)
    try:
        answer = processes_of(client, "/plan")
    finally:
        client.close()
    return answer if isinstance(answer, dict) else {}


def _of_file(path: str) -> Mapping[str, object]:
    """Return the order of the processes of a configuration file.

    :raises ConfigError: if anything in the file is wrong
    """
    from contextlib import ExitStack  # noqa: PLC0415 - as below

    from flagman.cli import parts, reading  # noqa: PLC0415 - most plans are those of daemons
    from flagman.config.settings import Settings  # noqa: PLC0415 - as above
    from flagman.supervise.processes.planned import planned  # noqa: PLC0415 - as above
    from flagman.supervise.processes.tables import Plans  # noqa: PLC0415 - as above

    given = Settings(config=path)
    with ExitStack() as stack:
        file = reading.open_file(given, extend=reading.extender("", stack))
        settings = reading.complete(given, reading.finder(None), file)
        parts.check(settings)
    plans = settings.of_parts.get("process")
    return {"processes": [*planned(plans if isinstance(plans, Plans) else {}).values()]}


def _page(answer: Fields, screen: Screen, *, is_named: bool) -> Iterator[str]:
    processes = answer.each("processes")
    if not processes:
        yield "there are no processes"
        return
    took = answer.inner("start").number("took")
    if not is_named and answer.inner("start"):
        sooner = "Not all processes have been ready yet."
        yield sooner if took is None else f"All processes were ready {duration(took)} after the start."
        yield ""
    columns = (
        Column("STAGE", is_number=True),
        Column("NAME", is_text=True),
        Column("AFTER", is_text=True),
        Column("WAITED", is_number=True),
        Column("TOOK", is_number=True),
        Column("STATE"),
    )
    yield from table(columns, list(map(_row, processes)), screen)
    if is_named:
        for process in processes:
            chain = process.inner("start").each("chain")
            yield from _chain(f"The critical chain of the last start of {process.text('name')}:", chain, screen)
    else:
        yield from _chain("The critical chain of the start:", answer.inner("start").each("chain"), screen)


def _row(process: Fields) -> list[Cell]:
    state, start = process.text("state"), process.inner("start")
    nothing = _NONE if state else ""  # a file knows of no starts, and columns without texts are left out
    return [
        Cell(str(process.count("stage"))),
        Cell(process.text("name")),
        _cell(", ".join(process.texts("after"))),
        _cell(duration(start.number("waited")), nothing),
        _cell(duration(start.number("took")), nothing),
        Cell(state or ("" if process.text("wanted") == "up" else "only on request"), color_of(state)),
    ]


def _cell(text: str, none: str = _NONE) -> Cell:
    return Cell(text or none, "" if text else DIM)


def _chain(title: str, chain: Iterable[Fields], screen: Screen) -> Iterator[str]:
    """Yield a critical chain: the last start first, with the time at which each one began, and how long it took."""
    rows = [
        [
            Cell(start.text("name")),
            Cell(f"@{duration(start.number('at'))}"),
            Cell(f"+{duration(took)}" if (took := start.number("took")) is not None else "not ready yet"),
        ]
        for start in chain
    ]
    if rows:
        columns = (Column("NAME", is_text=True), Column("BEGAN", is_number=True), Column("TOOK", is_number=True))
        yield from ("", title, *table(columns, rows, screen)[1:])
