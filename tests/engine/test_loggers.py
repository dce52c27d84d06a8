"""Loggers that import logging when a record is due."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

from flagman.engine import loggers
from support.driven import clean_environment

if TYPE_CHECKING:
    import pytest

PUT_OFF = """
import sys
from flagman.engine import loggers

logger = loggers.get("flagman.core")
loggers.put_off(lambda: sys.modules["logging"].basicConfig(format="set up: %(name)s %(funcName)s %(message)s"))
logger.debug("no %s", "matter")
logger.info("neither")
print("logging" in sys.modules, loggers.are_late())

def speak():
    logger.warning("heard: %d", 1)
    logger.info("not shown")
    logger.error("heard again")

speak()
print("logging" in sys.modules, loggers.are_late())
"""


def test_logging_is_imported_for_the_first_record_that_is_shown() -> None:
    """Records below WARNING are dropped without logging; the first other one finds the log set up."""
    done = subprocess.run(
        [sys.executable, "-c", PUT_OFF],
        env=clean_environment(),
        check=True,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.stdout.splitlines() == ["False True", "True False"]
    assert done.stderr.splitlines() == [
        "set up: flagman.core speak heard: 1",
        "set up: flagman.core speak heard again",
    ]


def test_a_logger_is_that_of_logging(caplog: pytest.LogCaptureFixture) -> None:
    """In a program that logs, it obeys the levels that the program sets, and its records name their place."""
    logger = loggers.get("flagman.core")
    with caplog.at_level(logging.INFO, "flagman.core"):
        logger.debug("unheard")
        logger.info("heard")
        logger.log(loggers.ERROR, "too")
        assert logger.isEnabledFor(loggers.INFO)
    assert [(record.levelno, record.message, record.module) for record in caplog.records] == [
        (logging.INFO, "heard", "test_loggers"),
        (logging.ERROR, "too", "test_loggers"),
    ]
    assert not hasattr(logger, "__wrapped__")
    assert logger.name == "flagman.core"


def test_the_levels_are_those_of_logging() -> None:
    """The levels have the names and the numbers of logging."""
    for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        assert getattr(loggers, name) == getattr(logging, name)
