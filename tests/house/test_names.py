"""Names on which programs and files rely: a module may move, but these names may not."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from support.imports import modules

ROOT = Path(__file__).parents[2]

# A table [logging] of a configuration file may name any of these.
LOGGERS = {
    "flagman.actions.output",
    "flagman.actions.print",
    "flagman.actions.process",
    "flagman.actions.rehearsal",
    "flagman.assembly",
    "flagman.cli",
    "flagman.control",
    "flagman.core",
    "flagman.daemon.crash",
    "flagman.daemon.pid_file",
    "flagman.files",
    "flagman.log",
    "flagman.process",
    "flagman.reload",
    "flagman.rotation",
    "flagman.sd_notify",
    "flagman.service",
    "flagman.statistics",
    "flagman.supervise",
}

# Names that the documentation of this flagman or of the first one has named, and that no page needs to name any more.
TOLD_BEFORE = {
    "flagman.KNOWN_ACTIONS",
    "flagman.actions.Action",
    "flagman.actions.PrintAction",
    "flagman.actions.action.Action",
    "flagman.actions.print.DelayedPrintAction",
    "flagman.actions.print.PrintAction",
    "flagman.actions.print.PrintOnceAction",
    "flagman.cli.create_action_bundles",
    "flagman.cli.list_actions",
    "flagman.cli.main",
    "flagman.cli.main_wrapper",
    "flagman.cli.parse_args",
    "flagman.cli.run",
    "flagman.cli.set_handlers",
    "flagman.core.ACTION_BUNDLES",
    "flagman.core.KNOWN_ACTIONS",
    "flagman.core.SIGNAL_FLAGS",
    "flagman.core.create_action_bundles",
    "flagman.core.run",
    "flagman.core.set_handlers",
    "flagman.daemon.AlreadyRunningError",
    "flagman.daemon.Daemon",
    "flagman.daemon.PidLockFile",
    "flagman.daemon.daemon.Daemon",
    "flagman.daemon.pid_file.PidLockFile",
    "flagman.daemon.read_pid",
    "flagman.daemon.signal_holder",
    "flagman.engine.calls.Call",
    "flagman.engine.engine.Engine",
    "flagman.engine.member.Turn",
    "flagman.engine.outcome.Outcome",
    "flagman.exceptions.ActionClosed",
    "flagman.sd_notify.SystemdNotifier",
    "flagman.sd_notify.status",
    "flagman.testing.ActionDriver",
    "flagman.types.ActionArgument",
    "flagman.types.ActionName",
    "flagman.types.FlagName",
    "flagman.types.SignalNumber",
}

# An attribute may exist only in an instance.
ROLES = re.compile(r"(?:^\.\. (?:auto)?\w+:: |:(?:class|exc|func|data|mod):`~?)(flagman[\w.]*)", re.MULTILINE)


def told() -> set[str]:
    """Return the dotted names on the page about the API."""
    return set(ROLES.findall((ROOT / "docs" / "api.rst").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", sorted(TOLD_BEFORE | told()))
def test_every_documented_name_can_be_imported(name: str) -> None:
    """Each name that is or was documented can be imported, as a module or as an attribute of one."""
    parts = name.split(".")
    found: object = None
    for end in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return
    pytest.fail(f"there is no {name}")


MEMBERS = re.compile(
    r"^\.\. auto(?:class|module):: (\S+)\n(?:   :.*\n)*?   :members: (.*(?:\n {6,}.*)*)$", re.MULTILINE
)


def documented_members() -> list[tuple[str, str]]:
    """Return pairs of a class on the page about the API and one of its named members."""
    text = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    return [(name, member) for name, members in MEMBERS.findall(text) for member in re.split(r",\s+", members)]


@pytest.mark.parametrize(("name", "member"), documented_members())
def test_every_documented_member_is_there(name: str, member: str) -> None:
    """Each documented member of a class exists, or is declared for its instances."""
    module, _, attribute = name.rpartition(".")
    found = getattr(import_module(module), attribute)
    assert hasattr(found, member) or member in found.__annotations__


def test_the_page_about_the_api_is_read() -> None:
    """The page about the API is read correctly, because the tests above would prove nothing otherwise."""
    assert ("flagman.Engine", "call_at") in documented_members()
    assert {"flagman.Engine", "flagman.engine.turn.Outcome", "flagman.cli.main", "flagman.types"} <= told()


# These ask for a logger by a name that another place has written out.
BY_OTHER_NAMES = {("flagman.engine.loggers", "self._name"), ("flagman.log.held", "record.name")}


def test_loggers_keep_their_names() -> None:
    """Each logger is made with a literal name, which stays the same wherever its module is."""
    found: set[str] = set()
    for name, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "logging":
                assert "getLogger" not in [alias.name for alias in node.names], f"{name} imports getLogger"
            made = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if not isinstance(node, ast.Call) or not made.endswith(("getLogger", "getChild", "loggers.get")):
                continue
            assert made in {"logging.getLogger", "loggers.get"}, f"{name} makes a logger in another way"
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                if (name, ast.unparse(argument)) not in BY_OTHER_NAMES:
                    assert isinstance(argument, ast.Constant), f"{name} does not write the name of its logger out"
                    found.add(str(argument.value))
    assert found == LOGGERS


def test_loggers_are_documented() -> None:
    """All loggers are documented on the page about the command line."""
    text = (ROOT / "docs" / "cli.rst").read_text(encoding="utf-8")
    table = text.partition(".. _loggers:")[2].partition("\n.. _")[0]
    assert set(re.findall(r"``(flagman\.[\w.]+)``", table)) == LOGGERS


CLASSES = sorted(
    set(re.findall(r"^\.\. autoclass:: (\S+)$", (ROOT / "docs" / "api.rst").read_text(encoding="utf-8"), re.MULTILINE))
)


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_class_has_a_repr(name: str) -> None:
    """Printed, or in an error of a test, an object shows what it is."""
    module, _, attribute = name.rpartition(".")
    assert getattr(import_module(module), attribute).__repr__ is not object.__repr__
