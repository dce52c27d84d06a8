"""The floor plan: which room may import which, no circles, and no module that is too long to be read at once."""

from __future__ import annotations

import ast

from imports import PACKAGE, circles, graph, modules

# What is known to break these rules. It may only shrink.
CIRCLES: list[set[str]] = []
SINS: set[tuple[str, str]] = set()
TOO_LONG: set[str] = {"flagman.engine.engine", "flagman.engine.interrupt"}

LONGEST = 300

# From the ground up: a room may import what stands in a line before its own. The single modules are rooms, too.
FLOORS = [
    {"exceptions", "types", "version"},
    {"text"},
    {"engine"},
    {"children", "triggers", "web"},
    {"actions", "daemon"},
    {"config"},
    {"systemd", "log"},
    {"service"},
    {"cli"},
    {"__main__"},
]
# Stricter than that: what other programs use without the rest.
ONLY = {
    "daemon": {"children", "text", "exceptions", "types"},
}
# The faces of the house towards programs, which nothing below the command imports.
FACES = {"": set(), "core": {"engine", "actions"}, "testing": {"engine", "actions"}, "sd_notify": {"systemd"}}


def room_of(module: str) -> str:
    """Give the room in which a module is; that of the package itself has no name."""
    return module.split(".")[1] if "." in module else ""


def allowed(room: str) -> set[str]:
    """Tell which rooms a room may import."""
    below: set[str] = set()
    for floor in FLOORS:
        if room in floor:
            return ONLY.get(room, below) | {room} | (set(FACES) if room == "cli" else set())
        below |= floor
    return FACES[room] | {"exceptions", "types", "version", room}


def test_no_module_imports_what_imports_it() -> None:
    """Also not for type checkers alone: who reads one of a circle has to read them all."""
    found = circles(graph())
    assert sorted(map(sorted, found)) == sorted(map(sorted, CIRCLES))


def test_a_room_imports_only_what_stands_below_it() -> None:
    """Never a room beside it or above it, also not for type checkers alone."""
    wrong = {
        (name, target)
        for name, targets in graph().items()
        for target in targets
        if name != "flagman" and is_in_its_room(name) and room_of(target) not in allowed(room_of(name))
    }
    assert wrong == SINS


def is_in_its_room(name: str) -> bool:
    """Tell whether a module has found its room."""
    return room_of(name) in set().union(*FLOORS) | set(FACES)


def test_no_module_is_too_long() -> None:
    """It has one job."""
    long = {name for name, path in modules().items() if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST}
    assert long == TOO_LONG


def test_every_module_tells_its_job() -> None:
    """In one sentence, which stands in its first line."""
    for name, path in modules().items():
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert text, f"{name} has no docstring"
        assert text.splitlines()[0].endswith((".", ":")), f"{name}: {text.splitlines()[0]}"
    assert PACKAGE.is_dir()
