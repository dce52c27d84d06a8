"""A real browser, driven by the protocol of its developer tools, over a pair of pipes.

See https://chromedevtools.github.io/devtools-protocol/ and the option ``--remote-debugging-pipe``.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from support.driven import DEADLINE

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

#: The browser; None if there is none.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# It reads from descriptor 3 and writes to 4.
_BEGIN = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
_OPTIONS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--hide-scrollbars",
)


class Browser:
    """A browser with one page.

    :param folder: for its profile
    """

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None
        inner_read, self._write = _pipe()
        self._read, inner_write = _pipe()
        command = [sys.executable, "-IS", "-c", _BEGIN, str(inner_read), str(inner_write), CHROMIUM, *_OPTIONS]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            pass_fds=(inner_read, inner_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder)},
        )
        os.close(inner_read)
        os.close(inner_write)
        self._data = b""
        self._number = 0
        self._session = ""
        #: What the console of the page has told.
        self.console: list[str] = []
        target = self._first_page()
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def _first_page(self) -> str:
        limit = time.monotonic() + DEADLINE
        while time.monotonic() < limit:
            for target in self.ask("Target.getTargets")["targetInfos"]:
                if target["type"] == "page":
                    return str(target["targetId"])
            time.sleep(0.05)
        raise AssertionError("the browser has no page")

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        limit = time.monotonic() + DEADLINE
        while True:
            answer = self._next(limit)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self, limit: float) -> dict[str, Any]:
        while b"\0" not in self._data:
            ready, _, _ = select.select([self._read], [], [], max(0.0, limit - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._read, 1 << 20)
            assert data, "the browser has ended"
            self._data += data
        first, _, self._data = self._data.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        if message.get("method") == "Runtime.exceptionThrown":
            self.console.append(json.dumps(message["params"]["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded":
            self.console.append(message["params"]["entry"]["text"])
        return message

    def value(self, expression: str) -> Any:  # noqa: ANN401 - as JSON is
        """Return the value of an expression, in the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true in the page; one that fails, for it is being loaded, is not."""
        limit = time.monotonic() + DEADLINE
        while True:
            answer = self.ask("Runtime.evaluate", expression=f"Boolean({expression})", returnByValue=True)
            if answer["result"].get("value") is True:
                return
            if time.monotonic() > limit:
                raise AssertionError(f"not true: {expression}; {self.console}")
            time.sleep(0.05)

    def open(self, address: str) -> None:
        """Open an address, and wait until its page is there."""
        self.ask("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def show(self, width: int, scheme: str) -> None:
        """Have a window of this width, in pixels, and this colour scheme: ``light`` or ``dark``."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.ask("Emulation.setEmulatedMedia", features=features)

    def press(self, key: str) -> None:
        """Press a key."""
        text = "\r" if key == "Enter" else ""
        code = {"Enter": 13, "Tab": 9}[key]
        for kind in ("keyDown", "keyUp"):
            parameters = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
            self.ask("Input.dispatchKeyEvent", **parameters)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pipe() -> tuple[int, int]:
    """Return a pipe, the descriptors of which are out of the way of 3 and 4."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
