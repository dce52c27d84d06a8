"""A plugin that logs something, and whose import never ends; it may stop another process before."""

from __future__ import annotations

import logging
import os
import signal
import time

logging.getLogger("hangs").warning("it hangs")
print("hangs", flush=True)
if waits := os.environ.get("WAITS"):
    os.kill(int(waits), signal.SIGTERM)
while True:  # not one long call: a signal right before that would not end it
    time.sleep(0.01)
