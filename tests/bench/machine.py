"""The machine on which something was measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from importlib import metadata
from pathlib import Path

from bench.targets import find

# What tells the version of a program that is no distribution of Python.
_VERSIONS = {
    "bash": "bash --version",
    "tini": "tini --version",
    "dumb-init": "dumb-init --version",
    "cc": "cc --version",
}


def _model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    found = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _version(command: str) -> str:
    words = command.split()
    path = find(words[0])
    if not path:
        return ""
    done = subprocess.run([path, *words[1:]], capture_output=True, encoding="utf-8", check=False)
    found = re.search(r"\d+\.\d[\w.]*", done.stdout + done.stderr)
    return found[0] if found else "?"


def versions() -> dict[str, str]:
    """Return the versions of what is measured, as far as it is installed."""
    found = {"Python": f"{platform.python_version()} ({platform.python_compiler()})"}
    for name in ("flagman", "supervisor", "circus"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found.update({name: version for name, command in _VERSIONS.items() if (version := _version(command))})
    return found


def machine() -> dict[str, str]:
    """Return the machine in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "CPU": f"{_model()}, {len(os.sched_getaffinity(0))} CPUs, {platform.machine()}",
        "Memory": f"{memory / 1e9:.1f} GB",
        "System": f"{_system()}, {platform.system()} {platform.release().split('-')[0]}",
        "Versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
        "Date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def load() -> str:
    """Return the load averages, because on a busy machine only ratios mean something."""
    return "{:.2f}, {:.2f}, {:.2f}".format(*os.getloadavg())
