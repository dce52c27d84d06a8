"""The page in a real browser: it renews itself, its buttons work, and it outlives the daemon."""

from __future__ import annotations

import re
import subprocess
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import expect

from support.browser import CHROMIUM, browsed
from support.ctl import SCRIPT
from support.driven import DEADLINE, clean_environment
from support.unix import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from support.driven import Flagman

with warnings.catch_warnings():
    warnings.simplefilter("ignore", EncodingWarning)  # it reads its script without naming the encoding
    from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

HOSTILE = "<img src=x onerror=document.title='hacked'>\x1b[31m\u202e" + "W" * 300
WORDS = (
    *("--control", "c.sock", "--name", "web"),
    *("--usr1", "sh", "exit 3", "--usr2", "print", "hi", "--hup", "sh", f"exit 4; {HOSTILE}"),
)


@pytest.fixture(name="page")
def _page() -> Iterator[Page]:
    """Return the page of a browser."""
    with browsed() as page:
        yield page


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the page; return the address that lets a browser in."""
    command = [SCRIPT, "page", "--control", str(folder / "c.sock")]
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, encoding="utf-8") as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()
        server.wait(DEADLINE)


@pytest.fixture(name="address")
def _address(start: Callable[..., Flagman], tmp_path: Path) -> Iterator[str]:
    """Return the address for a daemon with the words above."""
    start(*WORDS).ready().expect("init")
    with served(tmp_path) as address:
        yield address


def title(page: Page, begin: str) -> None:
    """Wait until the title of the page begins with some words."""
    expect(page).to_have_title(re.compile(re.escape(begin)))


def test_a_run_appears_and_a_button_runs_it(page: Page, address: str, tmp_path: Path) -> None:
    """A run appears without a reload, the page keeps its focus and what is unfolded, and a key runs a flag."""
    console: list[str] = []
    page.on("console", lambda message: console.append(message.text))
    page.on("pageerror", lambda error: console.append(error.message))
    page.goto(address)
    title(page, "all is well")
    page.evaluate("document.getElementById('flagmore-usr1').open = true")
    page.evaluate("document.getElementById('flagrun-usr2').focus(), window.same = true")
    assert request(tmp_path / "c.sock", "POST", "/flags/usr1?wait")[0] == 200
    title(page, "1 failing")
    assert page.evaluate("document.querySelector('#rows tr').id") == "flag-usr1"
    assert page.evaluate("document.activeElement.id") == "flagrun-usr2"
    assert page.evaluate("window.same && document.getElementById('flagmore-usr1').open")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text("usr2: succeeded")
    expect(page.locator("#run-2")).to_contain_text("usr2")
    assert console == []


def test_the_daemon_begins_anew(page: Page, start: Callable[..., Flagman], tmp_path: Path) -> None:
    """While the daemon is away the page says so; when it is back, everything is fetched anew."""
    daemon = start(*WORDS).ready().expect("init")
    with served(tmp_path) as address:
        page.goto(address)
        title(page, "all is well")
        page.evaluate("window.same = true")
        daemon.stop("cleanup")
        expect(page.locator("#banner")).to_contain_text("No answer since")
        start(*WORDS).ready().expect("init")
        assert request(tmp_path / "c.sock", "POST", "/flags/usr1?wait")[0] == 200
        expect(page.locator("#banner")).to_be_empty()
        title(page, "1 failing")
        assert page.evaluate("window.same")


def test_hostile_texts_and_widths(page: Page, address: str, tmp_path: Path) -> None:
    """Markup is shown as it is, and at no width is anything wider than the window."""
    assert request(tmp_path / "c.sock", "POST", "/flags/hup?wait")[0] == 200
    page.goto(address)
    title(page, "1 failing")
    assert page.evaluate("document.images.length") == 0
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    for width in (320, 360, 800, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_there_are_no_barriers(address: str, tmp_path: Path) -> None:
    """The axe finds no barrier, in light and dark, on a small and a large window, folded and unfolded."""
    assert request(tmp_path / "c.sock", "POST", "/flags/usr1?wait")[0] == 200
    with browsed(ignores_policy=True) as page:
        page.goto(address)
        title(page, "1 failing")
        for width, is_open in ((360, "true"), (1280, "false")):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(f"for (const each of document.querySelectorAll('details')) each.open = {is_open}")
            page.emulate_media(color_scheme="light")
            assert Axe().run(page).response["violations"] == []
            page.emulate_media(color_scheme="dark")
            assert Axe().run(page).response["violations"] == []


def test_without_scripts(address: str, tmp_path: Path) -> None:
    """The key can be typed, and a button is a form that leads back to the page, which says what came of it."""
    with browsed(runs_scripts=False) as page:
        page.goto(address)
        page.fill("input", address.partition("#")[2])
        page.click("button")
        page.click("#flagrun-usr2")
        expect(page.locator("#said")).to_have_text("The flag is raised.")
        assert request(tmp_path / "c.sock", "GET", "/history?flag=usr2")[1]["runs"][0]["result"] == "succeeded"
