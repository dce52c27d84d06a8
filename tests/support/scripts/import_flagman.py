"""Import flagman, and check that this does nothing else; therefore nothing else is imported before."""

import os
import signal
import sys

handlers = [signal.getsignal(signum) for signum in signal.valid_signals()]
descriptors = os.listdir("/dev/fd")
modules = set(sys.modules)
import flagman  # noqa: E402

assert {name for name in sys.modules if name.startswith("flagman")} == {"flagman"}, sys.modules
assert not {"logging", "argparse", "importlib.metadata", "typing"} & (set(sys.modules) - modules)
import flagman.cli  # noqa: E402
import flagman.core  # noqa: E402, F401

assert handlers == [signal.getsignal(signum) for signum in signal.valid_signals()]
assert len(descriptors) == len(os.listdir("/dev/fd"))
import logging  # noqa: E402

assert not logging.getLogger().handlers
