"""The configuration of Sphinx; the documentation is built without network access."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import flagman

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "flagman"
author = "The flagman developers"
project_copyright = author
version = release = flagman.__version__

needs_sphinx = "8.0"
extensions = ["sphinx.ext.autodoc"]
# The fragments are material for the changelog, not pages; the manual pages are built by a configuration of their own.
exclude_patterns = ["_build", "changelog.d", "man"]
default_role = "literal"
manpages_url = "https://manpages.debian.org/{path}"

autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"

nitpicky = True
nitpick_ignore = [
    ("py:class", "os.PathLike"),
    # Names in annotations of parts that are not public; the parameters' descriptions tell what a caller needs.
    ("py:class", "A"),
    ("py:class", "Answer"),
    ("py:class", "Bundle"),
    ("py:class", "FrameType"),
    ("py:class", "PidLockFile"),
    ("py:class", "Poller"),
    ("py:class", "SignalHandler"),
    ("py:class", "Stream"),
    ("py:class", "Ending"),
    ("py:class", "Interrupter"),
    ("py:class", "OnError"),
    ("py:class", "Output"),
    ("py:class", "Overlap"),
    ("py:class", "Settings"),
    ("py:class", "Signals"),
    ("py:class", "Wait"),
    # Documented under its full name.
    ("py:class", "Result"),
    # Aliases, documented as data; older Sphinx looks for classes of these names.
    ("py:class", "FlagName"),
    ("py:class", "SignalNumber"),
    # Type variables, and modules of the standard library that are imported for type checkers alone.
    ("py:class", "P"),
    ("py:class", "P.args"),
    ("py:class", "P.kwargs"),
    ("py:class", "flagman.testing.A"),
    ("py:class", "Path"),
    ("py:class", "Namespace"),
    # Each other's neighbours in their module, but documented as flagman.Engine.
    ("py:attr", "Outcome.FAILED"),
    ("py:meth", "Engine.run"),
]
# Names of the standard library: there is no index of them without the network.
nitpick_ignore_regex = [("py:.*", r"(argparse|collections|logging|select|signal|time)\..*")]

html_theme = "furo"
html_title = f"flagman {version}"
html_static_path = ["_static"]
html_css_files = ["flagman.css"]


def add_next_release(_app: Sphinx, page: str, source: list[str]) -> None:
    """Put the notes about changes that are not released yet above the releases."""
    if page == "changelog":
        draft = subprocess.run(
            [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next"],
            cwd=Path(__file__).parents[1],
            check=True,
            capture_output=True,
            encoding="utf-8",
        ).stdout
        changes = draft.strip().split("\n", 2)[2]  # without the heading, which has a date
        mark = ".. towncrier release notes start\n"
        source[0] = source[0].replace(mark, f"{mark}\nNext release\n------------\n{changes}\n")


def setup(app: Sphinx) -> None:
    """Read the changelog anew in every build, because Sphinx does not see when a note is added."""
    app.connect("source-read", add_next_release)
    app.connect("env-get-outdated", lambda *_: ["changelog"])
