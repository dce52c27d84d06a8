"""A console script that does nothing, installed as flagman's is: what any command of this environment costs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.targets import find

NAME = "flagman-bench-empty"
_INFO = "flagman_bench_empty-1.dist-info"
_FILES = {
    "flagman_bench_empty.py": "def main():\n    pass\n",
    f"{_INFO}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1\n",
    f"{_INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{_INFO}/entry_points.txt": f"[console_scripts]\n{NAME} = flagman_bench_empty:main\n",
}


def _pip(*words: str) -> bool:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    return not subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def install(*options: str) -> bool:
    """Install it beside flagman, and return whether that was possible.

    :param options: further options of pip
    """
    with TemporaryDirectory() as folder:
        wheel = Path(folder) / "flagman_bench_empty-1-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, text in _FILES.items():
                archive.writestr(name, text)
            archive.writestr(f"{_INFO}/RECORD", "".join(f"{name},,\n" for name in (*_FILES, f"{_INFO}/RECORD")))
        done = _pip("install", "--no-index", "--no-deps", *options, str(wheel))
    find.cache_clear()
    return done


def uninstall() -> None:
    """Remove it again."""
    _pip("uninstall", "--yes", NAME)
