"""Wheels of what is installed here, from which pip can install it elsewhere without a network."""

from __future__ import annotations

import csv
import io
import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from zipfile import ZipFile

# What a plugin package needs to be built and tested, with the requirements of pytest for all versions of Python.
NAMES = ("setuptools", "pytest", "iniconfig", "packaging", "pluggy", "pygments")


def collect(folder: Path) -> dict[str, str]:
    """Write a wheel of each distribution that a plugin package needs.

    :returns: the environment in which pip installs from the folder alone
    """
    for name in NAMES:
        try:
            _repack(name, folder)
        except PackageNotFoundError:  # not every version of pytest needs it
            continue
    return {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_NO_COMPILE": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_INPUT": "1",
    }


def _repack(name: str, folder: Path) -> None:
    found = distribution(name)
    tag = next(line for line in (found.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: "))
    # Scripts are outside, and pip writes them anew; what else was added to the wheel does no harm.
    paths = [path for path in found.files or () if ".." not in path.parts and path.suffix != ".pyc"]
    record = next(path for path in paths if path.name == "RECORD")
    with ZipFile(folder / f"{name}-{found.version}-{tag.removeprefix('Tag: ')}.whl", "w") as wheel:
        for path in paths:
            # Some lists name caches, which are not there any more.
            if path not in (record, record.with_name("direct_url.json")) and Path(str(path.locate())).is_file():
                wheel.write(Path(str(path.locate())), str(path))
        table = io.StringIO()
        csv.writer(table).writerows((str(path), "", "") for path in paths if Path(str(path.locate())).is_file())
        wheel.writestr(str(record), table.getvalue())
