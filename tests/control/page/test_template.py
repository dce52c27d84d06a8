"""The template: its policy allows its own style and script, and nothing else; it asks for nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import zipapp
from pathlib import Path

import flagman
from flagman.control.page.markup import Html
from flagman.control.page.page import content
from flagman.control.page.template import TEMPLATE, Template
from support import pages


def made() -> str:
    """Return a page."""
    return content(pages.view(pages.status(pages.flag("a"), processes=[pages.process("p")]))).data.decode()


def directives() -> dict[str, list[str]]:
    """Return the policy."""
    return {words[0]: words[1:] for words in (part.split() for part in TEMPLATE.policy.split("; "))}


def test_the_policy_allows_the_style_and_the_script_of_the_page() -> None:
    """The hashes are those of what the page has between its tags, once each."""
    found = directives()
    for name in ("style", "script"):
        (text,) = re.findall(rf"<{name}>(.*?)</{name}>", made(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert found[f"{name}-src"] == [f"'sha256-{digest}'"]


def test_the_policy_allows_nothing_else() -> None:
    """No source is open: what is not named is forbidden, and what is named is the page's own."""
    found = directives()
    assert found["default-src"] == ["'none'"]
    assert found["connect-src"] == found["form-action"] == ["'self'"]
    assert found["img-src"] == ["data:"]
    assert "unsafe" not in TEMPLATE.policy
    assert "http" not in TEMPLATE.policy


def test_nothing_comes_from_elsewhere() -> None:
    """The page names no address, neither of another host nor of another file."""
    text = made()
    assert re.findall(r"(?:https?:|//)[\w.]+\.\w+", text.replace("http://www.w3.org/2000/svg", "")) == []
    assert re.findall(r"url\(|@import|@font-face|\bsrc=", text) == []
    assert (
        re.findall(r"\bimport\b|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
        == []
    )
    assert re.findall(r"<[^>]*\s(?:on\w+|style)=", text) == []


def test_places_are_filled_once() -> None:
    """What fills a place may look like a place, and stays what it is."""
    template = Template("<style>a</style>{{one}}<script>b</script>{{two}}{{one}}")
    assert template.filled({"one": Html("{{two}}"), "two": Html("2")}) == (
        "<style>a</style>{{two}}<script>b</script>2{{two}}"
    )


def test_an_archive_has_the_template(tmp_path: Path) -> None:
    """The template is found in an archive, too."""
    source = tmp_path / "source"
    package = Path(flagman.__file__).parent
    shutil.copytree(package, source / "flagman", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "__main__.py").write_text(
        "from flagman.control.page import template\nprint(template.__file__, len(template.TEMPLATE.policy))\n",
        encoding="utf-8",
    )
    archive = tmp_path / "flagman.pyz"
    zipapp.create_archive(source, archive)
    done = subprocess.run(
        [sys.executable, "-I", str(archive)], check=True, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.stdout.startswith(str(archive))
    assert done.stdout.split()[-1] == str(len(TEMPLATE.policy))
