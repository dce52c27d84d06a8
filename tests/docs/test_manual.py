"""The manual pages: made of the documentation and the source, complete, and as ``man`` wants them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import files
from importlib.util import find_spec
from pathlib import Path

import pytest

from flagman.actions import BUILT_IN
from flagman.config.binders import TRIGGERS
from flagman.config.command_keys import COMMAND_KEYS
from flagman.config.options import OPTIONS as OPTIONS_OF_FLAGMAN
from flagman.config.rows import FILE
from flagman.ctl.verbs import OPTIONS, VERBS
from flagman.supervise.processes.tables import CHECKS, KEYS

SOURCE = Path(__file__).parents[2] / "docs" / "man"
PAGES = ["flagman.1", "flagmanctl.1", "flagman.toml.5"]
# What docutils writes for each section; man ignores it there.
HARMLESS = re.compile(r"skipping paragraph macro: sp after S[HS]$")


def said(page: str) -> str:
    """Return a manual page without what differs between two builds: the date, and the versions of the tools."""
    text = re.sub(r'^\.\\".*\n', "", page, flags=re.MULTILINE)
    return re.sub(r'^(\.TH "\S+" "\d") "[^"]*"', r"\1", text, flags=re.MULTILINE)


def words(page: str) -> str:
    """Return the text of a manual page, without its markup."""
    text = (SOURCE / page).read_text(encoding="utf-8")
    return re.sub(r"\\f[BIPR]|\\&", "", text).replace("\\-", "-").replace("\\(aq", "'")


@pytest.mark.skipif(find_spec("sphinx") is None, reason="Sphinx is not installed")
def test_the_manual_pages_agree_with_their_sources(tmp_path: Path) -> None:
    """The pages are what Sphinx makes of their sources; if not, this test writes them anew and fails."""
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "-b", "man", str(SOURCE), str(tmp_path)]
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stdout
    different = []
    for page in PAGES:
        new = (tmp_path / page).read_text(encoding="utf-8")
        path = SOURCE / page
        if not path.exists() or said(new) != said(path.read_text(encoding="utf-8")):
            path.write_text(new, encoding="utf-8")
            different.append(page)
    assert different == [], "they were others; they have been written anew"


def test_flagman_1_has_all_options_and_actions() -> None:
    """Each option and each built-in action has an entry."""
    entries = re.findall(r"^\.TP\n\.B (.*)$", words("flagman.1"), re.MULTILINE)
    found = {word for entry in entries for word in re.findall(r"(?:^|, )([\w-]+)", entry)}
    assert found >= {name for option in OPTIONS_OF_FLAGMAN for name in option.names} | set(TRIGGERS) | set(BUILT_IN)


def test_flagmanctl_1_has_all_verbs_and_options() -> None:
    """Each verb has an entry, in the order of the help, and so has each option."""
    entries = re.findall(r"^\.TP\n\.B (.*)$", words("flagmanctl.1"), re.MULTILINE)
    assert [name for name in (entry.split()[0] for entry in entries) if name in VERBS] == list(VERBS)
    found = {word for entry in entries for word in re.findall(r"(?:^|, )(-[\w-]+)", entry)}
    assert found == {name for option in OPTIONS for name in option.names} | {"-h", "--help", "-V", "--version"}


def test_flagman_toml_5_has_all_keys() -> None:
    """Each key of each table has an entry."""
    text = words("flagman.toml.5")
    tables = dict(re.findall(r"^\.SS (\[\S+)\n(.*?)(?=^\.S[SH])", text, re.MULTILINE | re.DOTALL))
    found = {}
    for table, part in tables.items():
        entries = re.findall(r"^\.TP\n\.B (.*)$", part, re.MULTILINE)
        found[table] = [key for entry in entries for key in re.split(", | or ", entry)]
    assert found["[flagman]"] == [option.key for option in OPTIONS_OF_FLAGMAN if option.where >= FILE]
    assert found["[process.NAME]"] == [*KEYS, *CHECKS]
    triggers = {key for trigger in TRIGGERS.values() if trigger.value for key in (trigger.key, trigger.and_key) if key}
    assert set(found["[[on]]"]) >= {*triggers, *COMMAND_KEYS, "action", "args"}


@pytest.mark.parametrize("page", PAGES)
def test_the_name_of_a_page(page: str) -> None:
    """``whatis`` finds the page by its name, and each page has the sections that a manual page has."""
    name, _, number = page.rpartition(".")
    text = words(page)
    assert re.search(rf'^\.TH "{name.upper()}" "{number}" ', text, re.MULTILINE)
    assert re.search(rf"^\.SH NAME\n{name} \\?- \w.{{,70}}\w\n\.SH SYNOPSIS$", text, re.MULTILINE)
    found = re.findall(r"^\.SH (.*)$", text, re.MULTILINE)
    of_commands = ["OPTIONS", "EXIT STATUS", "ENVIRONMENT", "SIGNALS"] if number == "1" else []
    needed = ["NAME", "SYNOPSIS", "DESCRIPTION", *of_commands, "FILES", "EXAMPLES", "SEE ALSO"]
    assert set(needed) <= set(found)
    assert found[:3] == needed[:3]
    assert found[-1] == "SEE ALSO"


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
@pytest.mark.parametrize("page", PAGES)
def test_mandoc_has_no_complaint(page: str) -> None:
    """The formatter of BSD has no warning."""
    command = ["mandoc", "-T", "lint", "-W", "warning", str(SOURCE / page)]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8", timeout=60)
    assert [line for line in (done.stdout + done.stderr).splitlines() if not HARMLESS.search(line)] == []


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
@pytest.mark.parametrize("page", PAGES)
def test_groff_has_no_complaint(page: str) -> None:
    """The formatter of GNU has no warning, on a terminal of 80 columns."""
    command = ["groff", "-K", "utf8", "-T", "utf8", "-man", "-w", "w", "-r", "LL=78n", str(SOURCE / page)]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8", timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n" in done.stdout


def test_the_manual_pages_of_the_package() -> None:
    """The metadata of the package names each page, and so the wheel has it."""
    text = (SOURCE.parents[1] / "setup.cfg").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"\nshare/man/man{page[-1]} =\n" in text
        assert f"    docs/man/{page}\n" in text
    installed = [str(path) for path in files("flagman") or ()]
    if any(path.endswith("flagman/__main__.py") for path in installed):  # not from a checkout
        found = {path.partition("share/")[2] for path in installed}
        assert found >= {f"man/man{page[-1]}/{page}" for page in PAGES}
