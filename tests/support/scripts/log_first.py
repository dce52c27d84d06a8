"""A program that has a log of its own, and calls the command after that."""

import logging

logging.basicConfig(format="mine: %(message)s", level="ERROR")
from flagman import cli  # noqa: E402

print(cli.main(["flagman", "-v", "--check", "--usr1", "talkative:Talk"]), logging.getLogger().level)
