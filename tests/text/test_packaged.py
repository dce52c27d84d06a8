"""The files of the package, from a directory and from an archive."""

from __future__ import annotations

import zipfile
import zipimport
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

import pytest

from flagman import text
from flagman.text.packaged import packaged

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_beside_a_module() -> None:
    """It is read as UTF-8; one that is not there is an error."""
    assert packaged(text.__spec__, "__init__.py").startswith('"""')
    with pytest.raises(FileNotFoundError):
        packaged(text.__spec__, "missing", "file")


def test_a_file_in_an_archive(tmp_path: Path) -> None:
    """The loader of the archive reads it."""
    path = tmp_path / "it.pyz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("room/module.py", "")
        archive.writestr("room/files/one", "größer")
    spec = zipimport.zipimporter(f"{path / 'room'}").find_spec("module")
    assert packaged(spec, "files", "one") == "größer"


def test_a_module_without_files() -> None:
    """It says so."""
    with pytest.raises(ImportError, match="no files"):
        packaged(ModuleSpec("built_in", None))
