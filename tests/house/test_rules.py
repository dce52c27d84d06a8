"""The floor plan: which room may import which, no circles, and no module that is too long to be read at once."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.imports import PACKAGE, circles, graph, imported, modules

if TYPE_CHECKING:
    from collections.abc import Iterator

# From the ground up: a room may import what stands in a line before its own, and nothing beside it. The modules that
# are not in a folder are rooms, too.
FLOORS = [
    {"exceptions", "types", "version"},
    {"text"},
    {"engine"},
    {"children", "triggers", "web"},
    {"actions", "daemon"},
    {"config"},
    {"log", "systemd"},
    {"service"},
    {"control", "supervise"},
    {"cli"},
    {"ctl"},
    {"__main__"},
]
GROUND = FLOORS[0]
ROOT = Path(__file__).parents[2]
# Rooms that programs use without the rest may import less than their floor allows.
ONLY = {"daemon": {*GROUND, "text", "children.pidfd", "children.reaping"}}
# The faces of the house for programs, and what they may import. In the house only the command uses one, the core.
FACES = {"core": {*GROUND, "engine", "actions"}, "testing": {*GROUND, "engine", "actions"}}
# Old names of modules that have moved: two lines, for programs.
SHIMS = {
    "flagman.actions.action": "flagman.engine.action",
    "flagman.engine.member": "flagman.engine.turn",
    "flagman.engine.outcome": "flagman.engine.turn",
    "flagman.sd_notify": "flagman.systemd.notify",
}

# These modules import other modules by a name that they look up or are given.
BY_NAME = {
    "flagman",
    "flagman.actions",
    "flagman.actions.catalog",
    "flagman.cli",
    "flagman.cli.parts",
    "flagman.config.rows",
    "flagman.ctl.command",
    "flagman.daemon",
    "flagman.service.late_imports",
    "flagman.supervise.verifiers.reading",
}

LONGEST_MODULE = 300
MOST_FILES_ON_TOP = 10


def room_of(module: str) -> str:
    """Return the room of a module, which is empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def allowed(room: str) -> set[str]:
    """Return the rooms that a room may import besides itself."""
    below: set[str] = set()
    for floor in FLOORS:
        if room in floor:
            return ONLY.get(room, below) | ({"core"} if room == "cli" else set())
        below |= floor
    return FACES[room]


def without_shims() -> dict[str, set[str]]:
    """Return the imports within the house, without the package's own names and the old names, which lead anywhere."""
    return {name: targets for name, targets in graph().items() if name not in {"flagman", *SHIMS}}


def test_every_module_is_in_a_room() -> None:
    """Every module is in a room with a floor, so a new folder needs a place in the plan."""
    rooms = {room_of(name) for name in without_shims()}
    assert rooms == set().union(*FLOORS) | set(FACES)
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_FILES_ON_TOP


def test_a_room_imports_only_what_stands_below_it() -> None:
    """A room never imports a room beside it or above it, not even for type checkers or within a function."""
    wrong = {
        f"{name} imports {target}"
        for name, targets in without_shims().items()
        for target in targets
        if not {room_of(target), target.removeprefix("flagman.")} & {room_of(name), *allowed(room_of(name))}
    }
    assert wrong == set()


def test_no_module_imports_what_imports_it() -> None:
    """Imports form no circle, not even for type checkers, because its modules could only be read together."""
    assert circles(graph()) == []


def test_circles_are_found() -> None:
    """The look for circles finds them, because the test above would prove nothing otherwise."""
    arrows = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set(), "e": {"a", "f"}, "f": {"e"}}
    assert circles(arrows) == [{"a", "b", "c"}, {"e", "f"}]


@pytest.mark.parametrize(("name", "home"), SHIMS.items())
def test_old_names_are_for_programs_alone(name: str, home: str) -> None:
    """Old names only lead to the new ones, and no module of the house imports them."""
    arrows = graph()
    assert [other for other, targets in arrows.items() if name in targets] == []
    assert arrows[name] == {home}
    statements = ast.parse(modules()[name].read_text(encoding="utf-8")).body
    assert [type(statement) for statement in statements] == [ast.Expr, ast.ImportFrom, ast.Assign]


def test_no_module_is_too_long() -> None:
    """No module is too long, because each has one job."""
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert {name: number for name, number in lines.items() if number > LONGEST_MODULE} == {}


def test_every_module_tells_its_job() -> None:
    """The docstring of every module begins with one sentence in its first line."""
    for name, path in modules().items():
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "nothing"
        first = text.splitlines()[0]
        assert first.endswith((".", ":")), f"{name}: {first}"


@pytest.mark.parametrize("room", sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")))
def test_every_room_tells_what_it_may_import(room: str) -> None:
    """The docstring of every room lists exactly what the floors allow it to import."""
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    told = text.partition("May import:")[2].strip().removesuffix(".").replace("\n", " ")
    assert set(told.split(", ")) == allowed(room)


def test_the_page_about_the_house_shows_these_floors() -> None:
    """From the ground up, with every room."""
    text = (ROOT / "docs" / "contribute" / "house.rst").read_text(encoding="utf-8")
    floors: dict[int, set[str]] = {}
    for floor, rooms in re.findall(r"^   \* - (\d+)\n     - (.*)\n", text, re.MULTILINE):
        floors.setdefault(int(floor), set()).update(re.findall(r"``(\w+)``", rooms))
    assert [floors[number] for number in sorted(floors)] == FLOORS


def test_a_daemon_of_another_program_needs_no_engine() -> None:
    """A program that uses only the daemon imports no more than the daemon's room may import."""
    program = "import sys, flagman.daemon.daemon; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, encoding="utf-8", timeout=60
    )
    found = {name for name in done.stdout.split() if name.startswith("flagman.")}
    assert {room_of(name) for name in found} <= {"daemon", "children", "text", *GROUND}


def test_modules_are_imported_by_name_in_a_few_places_alone() -> None:
    """Only the faces and modules that look up names import by name, because such imports cannot be checked."""
    found = set()
    for name, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        indexed = {
            ast.unparse(node).partition("flagman")[0] for node in ast.walk(tree) if isinstance(node, ast.Subscript)
        }
        if {"import_module", "importlib.import_module", "__import__"} & calls or "sys.modules['" in indexed:
            found.add(name)
    assert found == BY_NAME


def test_nothing_forks_during_a_run() -> None:
    """A fork copies locks that the second thread may hold: programs are started by posix_spawn.

    A daemon forks before it runs, and so does the init in front of it; the tools for tests are no part of one.
    """
    found = set()
    for name, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        options = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
        forks = {"os.fork", "os.forkpty", "pty.fork", "subprocess.Popen", "os.system", "os.popen", "os.spawnv"}
        if forks & used or "preexec_fn" in options or {"multiprocessing", "pty"} & set(imported(tree, types=False)):
            found.add(name)
    assert found == {"flagman.daemon.detachment", "flagman.supervise.init", "flagman.testing"}


def test_only_the_command_prints() -> None:
    """Only the command prints, the actions that exist for printing, and the log, which can do without logging."""
    found = set()
    for name, path in modules().items():
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        if {"print", "sys.stdout.write", "sys.stderr.write"} & calls and room_of(name) not in {"cli", "ctl"}:
            found.add(name)
    assert found == {"flagman.actions.print", "flagman.log.start"}


# The names by which modules call an engine and the other parts of a run.
PARTS_OF_A_RUN = re.compile(
    r"(^|[._])(engine|interrupter|shield|flags|signals|poller|loop|roster|bundle|member|manager|dispositions|stop"
    r"|assembly|timetable|status_line|reloader|parts)$"
)


def written(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Yield the attributes that a module assigns."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(part, ast.Attribute):
                    yield part


def test_the_parts_of_a_run_have_doors() -> None:
    """A part of a run is told something by a method: an attribute that is written from outside is hard to trace.

    Within the engine's own room its parts may write each other's attributes.
    """
    found = set()
    for name, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        objects = {ast.unparse(attribute.value) for attribute in written(tree)}
        objects |= {
            ast.unparse(node.args[0])
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) == "setattr"
        }
        if room_of(name) != "engine":
            found |= {f"{name} writes an attribute of {each}" for each in objects if PARTS_OF_A_RUN.search(each)}
    assert found == set()
