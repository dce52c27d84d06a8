"""The configuration of Sphinx; the documentation is built without network access."""

from __future__ import annotations

import flagman

project = "flagman"
author = "The flagman developers"
project_copyright = author
version = release = flagman.__version__

needs_sphinx = "8.0"
extensions = ["sphinx.ext.autodoc"]
# The fragments are material for the changelog, not pages.
exclude_patterns = ["_build", "changelog.d"]
default_role = "literal"
manpages_url = "https://manpages.debian.org/{path}"

autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"

nitpicky = True
nitpick_ignore = [
    ("py:class", "os.PathLike"),
    # Names in annotations of parts that are not public; the parameters' descriptions tell what a caller needs.
    ("py:class", "Answer"),
    ("py:class", "Bundle"),
    ("py:class", "FrameType"),
    ("py:class", "PidLockFile"),
    ("py:class", "Poller"),
    ("py:class", "SignalHandler"),
    ("py:class", "Stream"),
    ("py:class", "Interrupter"),
    ("py:class", "OnError"),
    ("py:class", "Output"),
    ("py:class", "Overlap"),
    ("py:class", "Settings"),
    ("py:class", "Signals"),
    ("py:class", "Wait"),
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
