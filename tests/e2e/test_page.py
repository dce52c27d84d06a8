"""The page in a real browser: it renews itself, its buttons work, and it outlives the daemon."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.browser import CHROMIUM, Browser
from support.ctl import SCRIPT
from support.driven import DEADLINE, clean_environment
from support.unix import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.driven import Flagman

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.slow,
]

HOSTILE = "<img src=x onerror=document.title='hacked'>\x1b[31m\u202e" + "W" * 300
WORDS = (
    *("--control", "c.sock", "--name", "web"),
    *("--usr1", "sh", "exit 3", "--usr2", "print", "hi", "--hup", "sh", f"exit 4; {HOSTILE}"),
)
# The file of axe-core, which looks for barriers; its place in a folder of npm.
AXE = Path(os.environ.get("FLAGMAN_AXE", "node_modules/axe-core/axe.min.js"))


@pytest.fixture(name="browser")
def _browser(tmp_path: Path) -> Iterator[Browser]:
    """Return a browser."""
    with Browser(tmp_path) as browser:
        yield browser


@pytest.fixture(name="address")
def _address(start: Callable[..., Flagman], tmp_path: Path) -> Iterator[str]:
    """Return the address that lets a browser in to a daemon with the words above."""
    start(*WORDS).ready().expect("init")
    command = [SCRIPT, "page", "--control", str(tmp_path / "c.sock")]
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, encoding="utf-8") as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()
        server.wait(DEADLINE)


def test_a_run_appears_and_a_button_runs_it(browser: Browser, address: str, tmp_path: Path) -> None:
    """A run appears without a reload, the page keeps its focus and what is unfolded, and a key runs a flag."""
    browser.open(address)
    browser.wait("document.title.startsWith('all is well')")
    browser.value("document.getElementById('flagmore-usr1').open = true")
    browser.value("document.getElementById('flagrun-usr2').focus(), window.same = true")
    assert request(tmp_path / "c.sock", "POST", "/flags/usr1?wait")[0] == 200
    browser.wait("document.title.startsWith('1 failing')")
    assert browser.value("document.querySelector('#rows tr').id") == "flag-usr1"
    assert browser.value("document.activeElement.id") == "flagrun-usr2"
    assert browser.value("window.same && document.getElementById('flagmore-usr1').open")
    browser.press("Enter")
    browser.wait("document.getElementById('said').textContent === 'usr2: succeeded'")
    browser.wait("document.getElementById('run-2').textContent.includes('usr2')")
    assert [line for line in browser.console if "Security Policy" in line or "Trusted" in line] == []


def test_the_daemon_begins_anew(browser: Browser, start: Callable[..., Flagman], tmp_path: Path) -> None:
    """While the daemon is away the page says so; when it is back, everything is fetched anew."""
    daemon = start(*WORDS).ready().expect("init")
    command = [SCRIPT, "page", "--control", str(tmp_path / "c.sock")]
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, encoding="utf-8") as server:
        assert server.stdout is not None
        browser.open(server.stdout.readline().strip())
        browser.wait("document.title.startsWith('all is well')")
        browser.value("window.same = true")
        daemon.stop("cleanup")
        browser.wait("document.getElementById('banner').textContent.startsWith('No answer since')")
        start(*WORDS).ready().expect("init")
        assert request(tmp_path / "c.sock", "POST", "/flags/usr1?wait")[0] == 200
        browser.wait("document.getElementById('banner').textContent === ''")
        browser.wait("document.title.startsWith('1 failing')")
        assert browser.value("window.same")
        server.terminate()
        server.wait(DEADLINE)


def test_hostile_texts_and_widths(browser: Browser, address: str, tmp_path: Path) -> None:
    """Markup is shown as it is, and at no width is anything wider than the window."""
    assert request(tmp_path / "c.sock", "POST", "/flags/hup?wait")[0] == 200
    browser.open(address)
    browser.wait("document.title.startsWith('1 failing')")
    assert browser.value("document.images.length") == 0
    browser.value("for (const each of document.querySelectorAll('details')) each.open = true")
    for width in (320, 360, 800, 1280):
        browser.show(width, "light")
        assert browser.value("document.documentElement.scrollWidth") == width


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm install axe-core, or FLAGMAN_AXE with its file")
def test_there_are_no_barriers(browser: Browser, address: str, tmp_path: Path) -> None:
    """The axe finds no barrier, in light and dark, on a small and a large window, folded and unfolded."""
    browser.ask("Page.setBypassCSP", enabled=True)
    assert request(tmp_path / "c.sock", "POST", "/flags/usr1?wait")[0] == 200
    browser.open(address)
    browser.wait("document.title.startsWith('1 failing')")
    browser.value(f"void function () {{ {AXE.read_text(encoding='utf-8')} }}.call(window)")
    for scheme in ("light", "dark"):
        for width in (360, 1280):
            browser.show(width, scheme)
            browser.value(
                f"for (const each of document.querySelectorAll('details')) each.open = {str(width == 360).lower()}"
            )
            found = browser.value(
                "axe.run().then(found => found.violations.map(each => [each.id, each.nodes[0].html]))"
            )
            assert found == [], (scheme, width)
