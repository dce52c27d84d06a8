"""The command ``flagmanctl``: what surrounds a daemon."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from pathlib import Path

import flagman
from flagman.exceptions import FlagmanError, one_line
from flagman.parser import Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    :param argv: the program's name and its arguments; ``sys.argv`` by default
    :returns: the exit status
    """
    argv = sys.argv if argv is None else argv
    try:
        arguments = _parser().parse_args(argv[1:])
        return _new(arguments)
    except SystemExit as exit_:  # of the parser
        return int(exit_.code or 0)
    except (FlagmanError, OSError) as error:
        with suppress(OSError):
            print(f"flagmanctl: error: {one_line(error)}", file=sys.stderr)
        return error.exit_code if isinstance(error, FlagmanError) else 1
    except KeyboardInterrupt:
        return 130


def _parser() -> ArgumentParser:
    parser = Parser(
        prog="flagmanctl", description="Make what flagman runs.", allow_abbrev=False, usage="flagmanctl [-h] VERB ..."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {flagman.__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    new = verbs.add_parser(
        "new",
        help="write a new plugin package: an action, its tests, its metadata, a unit and a README",
        description="Write a new plugin package: an action, its tests, its metadata, a unit and a README.",
        allow_abbrev=False,
    )
    new.add_argument("name", metavar="NAME", help="of the package and of its action, such as acme-purge")
    new.add_argument("--directory", type=Path, metavar="DIR", help="where to write it (default: NAME, here)")
    return parser


def _new(arguments: Namespace) -> int:
    from flagman import scaffold  # noqa: PLC0415 - for this verb alone

    directory: Path = arguments.directory or Path(arguments.name)
    for path in scaffold.create(arguments.name, directory):
        print(directory / path)
    folder = shlex.quote(str(directory))
    print(f"Next: cd {folder} && python3 -m venv .venv && .venv/bin/pip install -e . pytest && .venv/bin/pytest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
