"""The documented library face: plain functions over one engine that they share.

A program that wants an engine of its own, or two, uses :class:`flagman.Engine`.
"""

from __future__ import annotations

from collections.abc import Iterable

from flagman.actions.catalog import Catalog
from flagman.engine.engine import Engine
from flagman.engine.signals import HANDLED_SIGNALS, flag_of
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flagman.engine.action import Action
    from flagman.engine.bundle import Bundle
    from flagman.engine.flags import Flags
    from flagman.types import ActionArgument, FlagName

    #: The shared engine's own bundles, by flag.
    ACTION_BUNDLES: Mapping[FlagName, Bundle]
    #: The shared engine's own set of raised flags.
    SIGNAL_FLAGS: Flags

#: All known actions by name, each loaded when it is looked up.
KNOWN_ACTIONS = Catalog()

# Created by the first function that needs it, closed by run().
_shared: Engine | None = None


def _engine() -> Engine:
    global _shared  # noqa: PLW0603 - this module is that one instance's face
    if _shared is None:
        _shared = Engine(find=KNOWN_ACTIONS.__getitem__)
    return _shared


def __getattr__(name: str) -> object:
    """Look up what belongs to the shared engine, which importing this module does not create."""
    if name == "ACTION_BUNDLES":
        return _engine().bundles
    if name == "SIGNAL_FLAGS":
        return _engine().flags
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def create_action_bundles(bindings: Mapping[FlagName, object]) -> int:
    """Set up actions.

    :param bindings: for each flag its actions, each a sequence of its name and its arguments, such as
        ``{"usr1": [["print", "hi"], ["print", "ho"]]}``, or None. Other keys are passed over, so that
        ``vars(parse_args(...))`` can be given, see :func:`flagman.cli.parse_args`; a list under such a key is a mistake
    :returns: how many actions have been set up
    :raises UsageError: if a key with a list is not the flag of a handled signal, an action is not a sequence that
        begins with its name, or an action is unknown or broken
    :raises SetUpError: if an action's ``set_up`` raised; those set up before it stay, until :func:`run`
    """
    flags = [flag_of(signum) for signum in HANDLED_SIGNALS]
    wanted: list[tuple[FlagName, type[Action], Sequence[ActionArgument]]] = []
    for flag, actions in bindings.items():
        if flag in flags:
            wanted.extend((flag, KNOWN_ACTIONS[name], arguments) for name, *arguments in _words(flag, actions))
        elif isinstance(actions, list):
            raise UsageError(f"unknown flag {flag!r}; the flags are {', '.join(flags)}")
    for flag, action, arguments in wanted:
        _engine().set_up(flag, action, *arguments)
    return len(wanted)


def _words(flag: FlagName, actions: object) -> Iterator[list[str]]:
    """Yield the words of each action of a flag."""
    if actions is None:
        return
    if not isinstance(actions, Iterable) or isinstance(actions, str | bytes):
        raise UsageError(f"{flag}: {actions!r} is not a list of actions, such as [['print', 'hi']]")
    for action in actions:
        words = list(action) if isinstance(action, Iterable) and not isinstance(action, str | bytes) else []
        if not words or not isinstance(words[0], str):
            raise UsageError(f"{flag}: {action!r} is not an action with its arguments, such as ['print', 'hi']")
        yield words


def set_handlers() -> None:
    """Install handlers for the signals that have actions, and for no others."""
    _engine().arm(HANDLED_SIGNALS)


def run() -> None:
    """Run actions as their signals arrive, until all have closed; then tear down what is left.

    An exception that a signal handler of the program raises, such as :exc:`KeyboardInterrupt`, ends it too and is
    passed on after the tear-down.

    :raises TearDownError: if a ``tear_down`` failed
    """
    global _shared  # noqa: PLW0603 - see _engine()
    engine = _engine()
    try:
        with engine:
            engine.run()
    finally:
        _shared = None
