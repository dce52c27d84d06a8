"""Imports that are made before a daemon changes its root or its user: afterwards their files may be out of reach.

A daemon with ``--chroot`` or ``--user`` needs them. Parts of flagman and of Python are imported when they are first
used, which may be months after the start: at a reload, for the first request over TLS, for a traceback. A test follows
all imports of the source and finds what is missing in the list below.
"""

from __future__ import annotations

import pkgutil
import sys
from contextlib import suppress
from importlib import import_module

#: What flagman and Python import in functions.
OF_PYTHON = (
    "base64",
    "datetime",
    "difflib",
    "encodings.idna",
    "importlib.metadata",
    "inspect",
    "ipaddress",
    "json",
    "logging.config",
    "logging.handlers",
    "random",
    "resource",
    "shlex",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "tomllib",
)
#: What they import for a file that is watched.
FOR_FILES = ("ctypes",)
#: Parts of flagman that are not for a daemon, by the beginnings of their names.
NOT_FOR_DAEMONS = (
    "flagman.__main__",
    "flagman.cli.origin",
    "flagman.cli.parser",
    "flagman.cli.scaffold",
    "flagman.cli.templates",
    "flagman.ctl",
    "flagman.systemd.unit",
    "flagman.testing",
    "flagman.text.parser",
)


def import_all(*, files: bool = True, control: bool = True, command: bool = True) -> None:
    """Import all that a daemon may need later.

    :param files: whether it watches files, or may do so after a reload
    :param control: whether it has a control socket
    :param command: whether it wraps a command
    """
    for name in OF_PYTHON + FOR_FILES * files:
        with suppress(ImportError):  # this Python does not have it
            import_module(name)
    rooms = {"flagman.control": control, "flagman.supervise": command}
    left_out = (*NOT_FOR_DAEMONS, *(room for room, is_needed in rooms.items() if not is_needed))
    for module in pkgutil.walk_packages(sys.modules["flagman"].__path__, "flagman."):
        if not module.name.startswith(left_out):
            with suppress(ImportError):
                import_module(module.name)
