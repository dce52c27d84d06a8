"""The page about converting shows what comes of its examples."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from support.ctl import Ctl

PAGE = Path(__file__).parents[2] / "docs" / "convert.rst"
BLOCK = re.compile(r"^\.\. code-block:: \w+\n   :caption: (\S+)\n\n((?:(?:   .*)?\n)+)", re.MULTILINE)


@pytest.mark.parametrize("name", ["pymanager.json", "supervisord.conf", "Procfile"])
def test_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is followed by its result."""
    shown = {found[1]: textwrap.dedent(found[2]).strip() for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))}
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(shown[name], encoding="utf-8")
    done = Ctl(tmp_path, monkeypatch, capsys)("convert", name)
    out = done.out.replace(str(tmp_path), "/srv/shop").strip()
    assert out == shown[f"{Path(name).stem}.toml"]
    assert done.status == ("not converted" in out)
