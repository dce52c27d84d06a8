"""A plugin that logs something and then hangs in its import; it may stop another process first."""

from __future__ import annotations

import logging
import os
import signal
import time

logging.getLogger("hangs").warning("it hangs")
print("hangs", flush=True)
if waits := os.environ.get("WAITS"):
    os.kill(int(waits), signal.SIGTERM)
while True:  # not one long call, which a signal right before it would not end
    time.sleep(0.01)
