"""Programs that tests run in processes of their own: each is a function of one of these modules."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")

# The folder of this package has to be found in any environment, and before anything else.
_BEGIN = "import sys; sys.path.insert(0, sys.argv[1]); from support.programs import main; main()"
_TESTS = __file__.rpartition("/support/")[0]


def words(program: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> list[str]:
    """Return the command that calls a function in a process of its own.

    :param program: a function of one of these modules; the other arguments are passed to it as JSON, or are paths
    """
    arguments = json.dumps([args, kwargs], default=lambda path: {_PATH: str(path)})
    return [sys.executable, "-c", _BEGIN, _TESTS, program.__module__, program.__name__, arguments]


# The key of an object that stands for a path.
_PATH = "pathlib.Path"


def _read(found: dict[str, object]) -> object:
    if _PATH not in found:
        return found
    from pathlib import Path  # noqa: PLC0415 - only for a path, because a program imports as little as it can

    return Path(str(found[_PATH]))


def main() -> None:
    """Call the function that the command line names."""
    module, name, arguments = sys.argv[2:]
    args, kwargs = json.loads(arguments, object_hook=_read)
    getattr(import_module(module), name)(*args, **kwargs)
