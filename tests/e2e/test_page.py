"""The page in a real browser: it renews itself, its buttons work, and it outlives the daemon."""

from __future__ import annotations

import json
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
from support.driven import DEADLINE, clean_environment, wait_for
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


# Prints three lines, and ends if a file tells it to.
TALKS = r"""echo one; echo '<b>two'; printf '\033[31mthree\n'; test ! -e broken || exit 3; exec sleep 600"""
DB = f"""
[process.db]
command = ["sh", "-c", {json.dumps(TALKS)}]
output = "log"
"""
# Ends, with a text that wants to be more.
BAD = f"""
[process.bad]
command = {json.dumps(["sh", "-c", 'printf "%s" "$0"; exit 3', HOSTILE])}
output = "log"

[process.later]
command = ["sleep", "600"]
after = ["bad"]
essential = true
ready = {{ type = "tcp", address = ":1" }}
"""


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
        try:
            yield server.stdout.readline().strip()
        finally:
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


@contextmanager
def keeping(start: Callable[..., Flagman], folder: Path, table: str) -> Iterator[str]:
    """Start a daemon that keeps processes, and serve its page."""
    (folder / "processes.toml").write_text(table, encoding="utf-8")
    start("--config", "processes.toml", "--control", "c.sock", "--usr1", "print", "hi")
    wait_for((folder / "c.sock").exists)
    with served(folder) as address:
        yield address


def test_a_process_fails_and_is_steered(page: Page, start: Callable[..., Flagman], tmp_path: Path) -> None:
    """What it printed is unfolded when it fails, and stays as it was folded by hand; keys stop it and start it."""
    with keeping(start, tmp_path, DB) as address:
        page.goto(address)
        title(page, "all is well")
        row, details, said = page.locator("#process-db"), page.locator("#processmore-db"), page.locator("#said")
        expect(row.locator(".mark")).to_have_text("ready")
        expect(details).not_to_have_attribute("open", "")
        (tmp_path / "broken").touch()
        page.evaluate("document.getElementById('processrestart-db').focus()")
        page.keyboard.press("Enter")
        expect(said).to_have_text(re.compile("db (has been restarted|could not be restarted: .*exited with 3)"))
        expect(details).to_have_attribute("open", "")
        expect(row.locator(".mark")).to_have_text("backoff")
        expect(row.locator("pre")).to_have_text("one\n<b>two\n\\x1b[31mthree")
        expect(row.locator("time[data-time=in]")).to_have_text(re.compile("in [0-9]+ s|due now"))
        expect(row).to_contain_text("exited with 3: \\x1b[31mthree")
        page.evaluate("document.querySelector('#processmore-db summary').click()")
        assert request(tmp_path / "c.sock", "POST", "/flags/usr1?wait")[0] == 200
        expect(page.locator("#run-1")).to_contain_text("usr1")
        expect(details).not_to_have_attribute("open", "")
        page.evaluate("document.getElementById('processstop-db').focus()")
        page.keyboard.press("Enter")
        expect(said).to_have_text("db has been stopped")
        expect(row.locator(".mark")).to_have_text("stopped")
        (tmp_path / "broken").unlink()
        page.wait_for_function("document.activeElement === document.querySelector('#process-db th')")
        page.wait_for_function("document.getElementById('processstart-db')")
        page.evaluate("document.getElementById('processstart-db').focus()")
        page.keyboard.press("Enter")
        expect(said).to_have_text("db has been started")
        expect(row.locator(".mark")).to_have_text("ready")


def test_clicks_that_lead_nowhere(page: Page, start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The second of two clicks is for none, a process that has gone is told, and so is the stop of the daemon."""
    with keeping(start, tmp_path, DB) as address:
        page.goto(address)
        title(page, "all is well")
        find = "const button = document.getElementById('processstop-db');"
        said = page.locator("#said")
        page.evaluate(
            f"{find} button.dispatchEvent(new MouseEvent('click', {{detail: 2, bubbles: true, cancelable: true}}))"
        )
        expect(said).to_be_empty()
        page.evaluate(f"{find} button.form.setAttribute('action', 'processes/gone/stop'); button.click()")
        expect(said).to_contain_text("db: there is no process 'gone'")
        assert request(tmp_path / "c.sock", "GET", "/processes/db")[1]["wish"]["id"] == 1
        assert request(tmp_path / "c.sock", "DELETE", "/?wait")[0] == 200
        page.evaluate(f"{find} if (button) button.click()")
        expect(page.locator("#banner")).to_contain_text("No answer since")


def test_processes_have_no_barriers(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """Markup that a process prints is shown as it is; nothing is too wide, and the axe finds no barrier."""
    with keeping(start, tmp_path, BAD) as address, browsed(ignores_policy=True) as page:
        page.goto(address)
        title(page, "1 failing")
        expect(page.locator("#process-bad pre")).to_contain_text("<img src=x onerror=document.title='hacked'>\\x1b[31m")
        assert page.evaluate("document.images.length") == 0
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        for width in (320, 800, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert Axe().run(page).response["violations"] == []


def test_processes_without_scripts(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """The forms do the same, and the page says what came of them."""
    with keeping(start, tmp_path, DB) as address, browsed(runs_scripts=False) as page:
        page.goto(address)
        page.fill("input", address.partition("#")[2])
        page.click("button")
        for verb, done in (("stop", "stopped"), ("start", "started"), ("restart", "restarted")):
            page.click(f"#process{verb}-db")
            expect(page.locator("#said")).to_have_text(f"The process has been {done}.")
