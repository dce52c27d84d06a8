"""The configuration of Sphinx for the manual pages, which consist of parts of the other pages."""

from __future__ import annotations

import sys
from pathlib import Path

import flagman

sys.path.insert(0, str(Path(__file__).parent))

project = "flagman"
version = release = flagman.__version__

needs_sphinx = "8.0"
extensions = ["manual"]
root_doc = "flagman.1"
default_role = "literal"
smartquotes = False
nitpicky = True
today_fmt = "%Y-%m-%d"

man_pages = [
    ("flagman.1", "flagman", "run actions when signals arrive, timers are due, or files change", "", 1),
    ("flagmanctl.1", "flagmanctl", "ask and steer a running flagman", "", 1),
    ("flagman.toml.5", "flagman.toml", "configuration file of flagman", "", 5),
]
