"""The verb ``page``: shows a daemon to a browser of this machine, which cannot open a Unix socket."""

from __future__ import annotations

import errno
import signal
import sys

from flagman.ctl.asking import reach
from flagman.ctl.client import refusal
from flagman.ctl.errors import BAD, CtlError
from flagman.ctl.screen import write
from flagman.exceptions import reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Serve the page until it is interrupted.

    :returns: the exit status, after TERM
    :raises KeyboardInterrupt: after INT
    """
    path, user = _daemon(words)
    from flagman.ctl.gateway.daemon import Daemon  # noqa: PLC0415 - as below
    from flagman.ctl.gateway.gateway import Gateway  # noqa: PLC0415 - not before there is a daemon

    # A signal that is blocked can wait for its wait: between a look and a sleep it would be lost.
    signals = {signal.SIGTERM, signal.SIGINT}
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # in the background of a script
        signals.discard(signal.SIGINT)
    try:
        gateway = Gateway(Daemon(path, user), words.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"127.0.0.1:{words.port} is in use by another process; give another --port"
            raise CtlError(message, BAD) from None
        raise CtlError(f"cannot listen on 127.0.0.1:{words.port}: {reason_of(error)}", BAD) from None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        gateway.start()
        write(gateway.address)
        if sys.stderr is not None and sys.stderr.isatty():
            sys.stderr.write("open this address in a browser of this machine; Ctrl-C ends the page\n")
        signum = gateway.wait(signals)
    finally:
        gateway.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if signum is signal.SIGINT:
        raise KeyboardInterrupt
    return 0 if signum else BAD


def _daemon(words: Words) -> tuple[str, int]:
    """Return the socket of the daemon that is meant, which answers, and the user that it runs as.

    :raises CtlError: if there is none, or it may not be asked
    """
    client = reach(words)
    try:
        user = client.user
        status, answer = client.ask("GET", "/status")
    finally:
        client.close()
    if error := refusal(status, answer):
        raise error
    return client.path, user
