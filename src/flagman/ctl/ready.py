"""The verb ``ready``: a gate for health checks."""

from __future__ import annotations

from time import monotonic

from flagman.ctl.asking import reach, told
from flagman.ctl.client import refusal
from flagman.ctl.errors import BAD, NOT_IN_TIME
from flagman.ctl.fields import Fields
from flagman.ctl.screen import clean, write
from flagman.ctl.targets import query, waits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Print whether the daemon is ready, or its processes of some names.

    :returns: the exit status
    """
    begin = monotonic()
    names = {"process": ",".join(words.arguments)} if words.arguments else {}
    client = reach(words)
    try:
        status, answer = client.ask("GET", f"/ready{query({**names, **waits(words.wait)})}")
    finally:
        client.close()
    is_ready = Fields(answer).is_true("ready")
    error = refusal(status, answer)
    if error and not Fields(answer).is_false("ready"):
        raise error
    reasons = told(words, answer).texts("reasons")
    if not words.json:
        write("ready" if is_ready else "\n".join(f"not ready: {clean(reason)}" for reason in reasons) or "not ready")
    if is_ready:
        return 0
    return NOT_IN_TIME if words.wait is not None and monotonic() - begin >= words.wait else BAD
