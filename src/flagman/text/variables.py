"""Variables that users give to commands: which names and values these may have."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# What flagman tells commands itself.
_OURS = "FLAGMAN_"


def check(variables: Iterable[tuple[object, object]]) -> None:
    """Refuse what commands cannot be given.

    :param variables: names and values

    Names are those that every shell passes on, as :manpage:`systemd.exec(5)` has it for ``Environment=``.

    :raises ValueError: if a name or a value cannot be used
    """
    for name, value in variables:
        if not (isinstance(name, str) and name.isascii() and name.isidentifier()):
            raise ValueError(f"{name!r} is not the name of a variable: use letters, digits and _, such as LANG")
        if name.startswith(_OURS):
            raise ValueError(f"{name!r} cannot be set: flagman sets the variables that begin with {_OURS} itself")
        if not isinstance(value, str):
            raise ValueError(f"the value of {name!r} is not a string")  # noqa: TRY004 - a mistake of the user
        if "\0" in value:
            raise ValueError(f"the value of {name!r} contains a NUL character")
