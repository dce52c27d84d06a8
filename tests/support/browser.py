"""A real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

from support.driven import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

#: The browser; None if there is none.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def browsed(*, ignores_policy: bool = False, runs_scripts: bool = True) -> Iterator[Page]:
    """Return an empty page of a new browser, which is closed in the end.

    :param ignores_policy: whether a test may add scripts to a page that allows none
    :param runs_scripts: whether it runs the scripts of pages
    """
    with sync_playwright() as playwright:
        # As root it has no sandbox.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        context = browser.new_context(
            bypass_csp=ignores_policy, java_script_enabled=runs_scripts, reduced_motion="reduce"
        )
        context.set_default_timeout(1000 * DEADLINE)
        expect.set_options(timeout=1000 * DEADLINE)
        yield context.new_page()
        browser.close()
