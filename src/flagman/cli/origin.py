"""Where this flagman was installed from, so that pip can install the same one again; see PEP 610."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class Origin(NamedTuple):
    """A checkout, a repository, an archive, or by default nothing that is known: an index or a system's package."""

    #: What ``pip install`` takes; empty if the origin is not known.
    words: tuple[str, ...] = ()
    #: The path of the directory or archive, if it is on this machine.
    path: str = ""


def find() -> Origin:
    """Read what the installer of this flagman has recorded."""
    try:
        record: object = json.loads(distribution("flagman").read_text("direct_url.json") or "null")
    except (PackageNotFoundError, ValueError):
        return Origin()
    match record:
        case {"url": str(url), "vcs_info": {"vcs": str(vcs), "commit_id": str(commit)}, **others}:
            return Origin((f"{vcs}+{url}@{commit}{_folder(others)}",), _path(url))
        case {"url": str(url), "dir_info": {"editable": True}}:
            return Origin(("-e", url), _path(url))
        case {"url": str(url), **others}:
            return Origin((f"{url}{_folder(others)}",), _path(url))
        case _:
            return Origin()


def _folder(record: dict[object, object]) -> str:
    return f"#subdirectory={record['subdirectory']}" if "subdirectory" in record else ""


def _path(url: str) -> str:
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "file" else ""
