"""The verb ``signal``: sends a signal to the daemon that holds a pid file, or to a process of a daemon."""

from __future__ import annotations

from flagman.exceptions import FlagmanError, UsageError
from flagman.text.signames import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.words import Words

_PROCESS = "process:"


def run(words: Words) -> int:
    """Send the signal.

    :returns: the exit status
    """
    name, *targets = words.arguments
    try:
        signum = 0 if name == "0" else number_of(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not targets:
        return _to_the_daemon(words, signum)
    process = targets[0].removeprefix(_PROCESS)
    if process == targets[0] or not process:
        hint = f"; did you mean {_PROCESS + process!r}?" if process else ""
        raise UsageError(f"signal: {targets[0]!r} is not a process such as {_PROCESS}web{hint}")
    if not signum:
        raise UsageError("signal: a process gets no signal 0; flagmanctl ps shows whether it runs")
    return _to_a_process(words, signum, process)


def _to_the_daemon(words: Words, signum: int) -> int:
    name, pid_file = words.argument, words.pid_file
    if not pid_file:
        raise UsageError(
            "signal: --pid-file PATH is missing, or process:NAME after the signal; see flagmanctl signal --help"
        )
    from flagman.ctl.errors import NO_DAEMON, UNKNOWN, CtlError  # noqa: PLC0415 - the other way needs other modules
    from flagman.daemon.holder import signal_holder  # noqa: PLC0415 - as above

    try:
        pid = signal_holder(pid_file, signum)
    except OSError as error:
        raise CtlError(f"cannot send {name}: {error.strerror} ({pid_file})", UNKNOWN) from None
    except FlagmanError as error:
        raise CtlError(f"cannot send {name}: {error}", UNKNOWN) from None
    if pid is None:
        raise CtlError(f"not running ({pid_file})", NO_DAEMON)
    return 0


def _to_a_process(words: Words, signum: int, process: str) -> int:
    from flagman.ctl.asking import ask  # noqa: PLC0415 - the other way needs other modules
    from flagman.ctl.targets import quoted  # noqa: PLC0415 - as above
    from flagman.text.signames import name_of  # noqa: PLC0415 - as above

    ask(words, "POST", f"/processes/{quoted(process)}/signal", {"signal": name_of(signum)})
    return 0
