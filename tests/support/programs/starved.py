"""A program with a daemon that can open no file any more; it has imported as little as possible."""

from __future__ import annotations

import atexit
import resource

from flagman.daemon import Daemon
from support.programs.reports import at


def without_files(way: str) -> None:
    """Become a daemon that can open no file, and fail in its run or at its exit."""

    def target() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        if way == "run":
            raise KeyError("no files")
        atexit.register(lambda: 1 / 0)

    d = Daemon(target, detach=True, pid_file=at("d.pid"), stderr=at("err"))
    d.start()
    d.report()
