"""What the rows of the table of options are made of."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.config.values import Kind
    from flagman.triggers import Source

# Where an option may stand: on the command line; in the file, too; and in a binding of the file, too.
LINE, FILE, BINDING = range(3)


class Option:
    """An option with a value, or a switch.

    :param names: short and long, in one word or two
    :param kind: of its value
    :param default: its value if it is not given
    :param where: the places where it may stand: :data:`LINE`, :data:`FILE` or :data:`BINDING`
    :param is_for_start: whether it has an effect only at the start, so that a reload does not change it
    :param is_in_unit: whether a printed unit has it, too
    :param explanation: for the help
    :param setting: the attribute of :class:`flagman.config.settings.Settings`; by default the long name
    :param key: the name of its key in the file; by default the long name
    """

    __slots__ = ("default", "explanation", "is_for_start", "is_in_unit", "key", "kind", "names", "setting", "where")

    def __init__(  # noqa: PLR0913 - as many as an option has
        self,
        names: str,
        kind: Kind,
        default: object,
        explanation: str,
        *,
        where: int = FILE,
        is_for_start: bool = False,
        is_in_unit: bool = True,
        setting: str = "",
        key: str = "",
    ) -> None:
        self.names = tuple(names.split())
        self.key = key or self.names[-1].removeprefix("--")
        self.kind = kind
        self.default = default
        self.explanation = explanation
        self.where = where
        self.is_for_start = is_for_start
        self.is_in_unit = is_in_unit
        self.setting = setting or self.key.replace("-", "_")


class TriggerOption:
    """An option that binds an action to a trigger.

    :param name: the long option
    :param explanation: for the help
    :param value: what the help calls the word before the action, if there is one; then it is a key of the file, too
    :param reader: reads that word, or the name of the option, into a :class:`~flagman.triggers.Source`; a place such
        as ``by_clock:every`` in :mod:`flagman.triggers`, which is imported when it is used
    :param key: the name of its key in the file; by default that of the option
    :param and_key: the name of one more key, which has what follows a colon in that word; empty if there is none
    :param takes_numbers: whether the word may be a number in the file
    """

    __slots__ = ("and_key", "explanation", "key", "name", "reader", "takes_numbers", "value")

    def __init__(  # noqa: PLR0913 - as many as an option has
        self,
        name: str,
        explanation: str,
        value: str,
        reader: str,
        *,
        key: str = "",
        and_key: str = "",
        takes_numbers: bool = True,
    ) -> None:
        self.name = name
        self.explanation = explanation
        self.value = value
        self.reader = reader
        self.key = key or name.removeprefix("--")
        self.and_key = and_key
        self.takes_numbers = takes_numbers

    def source(self, text: str) -> Source:
        """Return the source that raises the flag.

        :param text: the word before the action; it is ignored if the option takes none
        :raises ValueError: if the word is not valid
        """
        module, _, function = self.reader.partition(":")
        __import__(f"flagman.triggers.{module}")  # as importlib does; to import that takes time
        read: Callable[[str], Source] = getattr(sys.modules[f"flagman.triggers.{module}"], function)
        return read(text if self.value else self.key)
