"""The shim: takes the steps that posix_spawn cannot take, and then becomes the program that they are for.

It runs in an interpreter of its own, from its source alone, and imports nothing that costs time. Its arguments are the
number of a descriptor, the steps in their order, each as ``name=value``, then ``--``, the path of the program, and the
words that the program gets. Each variable of the program has a ``_`` before its name until then: those that lead the
loader to libraries are for the program, and not for the shim, which may be root.

If a step fails, it writes the step, the number of the error and its text to the descriptor, and exits with 127 if the
program is not there, and with 126 otherwise.
"""

import _signal  # type: ignore[import-not-found] # the module signal costs 5 ms
import os
import sys


def take_limit(value: str) -> None:
    """Set a limit of :manpage:`setrlimit(2)`; -1 stands for none."""
    import resource  # noqa: PLC0415 - a library of its own

    name, soft, hard = value.split(":")
    wanted = [resource.RLIM_INFINITY if number == "-1" else int(number) for number in (soft, hard)]
    resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (wanted[0], wanted[1]))


def take_identity(value: str) -> None:
    """Become another user for good: the numbers of the user, of the group, and of all groups."""
    uid, gid, groups = value.split(":")
    real, effective, saved = int(uid), int(gid), [int(group) for group in groups.split(",")]
    is_there = (os.getuid(), os.geteuid(), os.getgid(), os.getegid()) == (real, real, effective, effective)
    if is_there and real != 0:
        return  # only root may set groups, and there is nothing to be set
    if set(os.getgroups()) != set(saved):  # it may be forbidden altogether, see user_namespaces(7)
        os.setgroups(saved)
    getattr(os, "setresgid", lambda number, *_: os.setgid(number))(effective, effective, effective)
    getattr(os, "setresuid", lambda number, *_: os.setuid(number))(real, real, real)


def take(step: str, value: str) -> None:
    """Take one step."""
    if step.startswith("limits."):
        take_limit(f"{step[len('limits.') :]}:{value}")
    elif step in {"user", "group"}:
        take_identity(value)
    elif step == "nice":
        os.setpriority(os.PRIO_PROCESS, 0, int(value))
    elif step == "umask":
        os.umask(int(value, 8))
    elif step == "directory":
        os.chdir(value)


def main(arguments: list[str]) -> None:
    """Take all steps, and become the program."""
    report = int(arguments[0])
    os.set_inheritable(report, False)  # noqa: FBT003 - the only parameter there is
    # Python handles or ignores these; an interrupt was blocked until now, because it would end in a traceback.
    for name in ("SIGINT", "SIGPIPE", "SIGXFSZ"):
        _signal.signal(getattr(_signal, name), _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    end = arguments.index("--")
    steps = [each.partition("=") for each in arguments[1:end]]
    program, words = arguments[end + 1], arguments[end + 2 :]
    # Without what Python has set for itself, see PEP 538.
    environment = {name[1:]: value for name, value in os.environb.items() if name.startswith(b"_") and len(name) > 1}
    step = ""
    try:
        for step, _, value in steps:
            take(step, value)
        step = "exec"
        os.execve(program, words, environment)  # noqa: S606 - no shell is meant
    except (OSError, ValueError, OverflowError, MemoryError, AttributeError) as error:
        number = getattr(error, "errno", None) or 0
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        os.write(report, f"{step} {number} {text}".encode())
        os._exit(127 if step == "exec" and isinstance(error, FileNotFoundError | NotADirectoryError) else 126)


if __name__ == "__main__":
    main(sys.argv[1:])
