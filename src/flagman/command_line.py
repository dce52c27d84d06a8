"""The split of the command line: the actions and their arguments first, the rest for argparse.

argparse cannot tell an action's ``-n`` from an option of flagman (python/cpython issues 53580, 124233), so what belongs
to an action is taken out before it looks. The rules, for ``--usr1`` and every other option that binds an action:

- ``--usr1 ACTION ARGUMENT ...``: the arguments end at the next long option of flagman, at a lone ``;`` or ``--`` (both
  are dropped), or at the end.
- An action that takes a limited number of arguments gets no more than that; a word with a dash that follows is an
  option of flagman again.
- ``--usr1='ACTION ARGUMENT ...'``: one word, split as a shell would; all of it belongs to the action, whatever it is.
"""

from __future__ import annotations

from flagman.actions.signature import arity, describe
from flagman.exceptions import UsageError
from flagman.settings import Binding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagman.actions.action import Action
    from flagman.types import ActionName, FlagName

_TERMINATORS = (";", "--")


class CommandLine:
    """Knows which options there are, and splits command lines.

    :param triggers: the options that bind an action, with their flags
    :param options: all other long options, and whether each takes a value
    :param catalog: finds actions by name
    """

    def __init__(
        self,
        triggers: Mapping[str, FlagName],
        options: Mapping[str, bool],
        catalog: Mapping[ActionName, type[Action]],
    ) -> None:
        self._triggers = triggers
        self._options = options
        self._catalog = catalog

    def split(self, words: Sequence[str]) -> tuple[list[Binding], list[str]]:
        """Take the bindings out of a command line.

        :param words: the command line without the program's name
        :returns: the bindings in order, and all words that do not belong to one
        :raises UsageError: if an action is missing, unknown or broken, or gets a wrong number of arguments
        """
        bindings: list[Binding] = []
        rest: list[str] = []
        position = 0
        while position < len(words):
            option, equals, value = words[position].partition("=")
            position += 1
            if option not in self._triggers:
                rest.append(words[position - 1])
                continue
            if equals:
                name, arguments = self._from_one_word(option, value)
                action = self._find(option, name)
            else:
                name = self._name_at(option, words, position)
                action = self._find(option, name)
                end = self._end(words, position + 1, arity(action)[1])
                arguments = list(words[position + 1 : end])
                position = end + (end < len(words) and words[end] in _TERMINATORS)
            _check_count(option, name, action, arguments)
            bindings.append(Binding(self._triggers[option], name, action, tuple(arguments)))
        return bindings, rest

    def _from_one_word(self, option: str, value: str) -> tuple[ActionName, list[str]]:
        import shlex  # noqa: PLC0415 - only this form needs it

        try:
            parts = shlex.split(value)
        except ValueError as error:
            raise UsageError(f"{option}={value!r}: {str(error).lower()}") from None
        return self._name_at(option, parts, 0), parts[1:]

    def _name_at(self, option: str, words: Sequence[str], position: int) -> ActionName:
        if position < len(words) and words[position] and not words[position].startswith(("-", ";")):
            return words[position]
        found = f"not {words[position]!r}" if position < len(words) else "but nothing follows"
        raise UsageError(f"{option} takes an action and its arguments, {found}; for example {option} print hello")

    def _find(self, option: str, name: ActionName) -> type[Action]:
        try:
            return self._catalog[name]
        except UsageError as error:
            raise UsageError(f"{option}: {error}") from error.__cause__

    def _end(self, words: Sequence[str], start: int, most: int | None) -> int:
        """Find the end of the arguments that begin at ``start``."""
        for end in range(start, len(words)):
            word = words[end]
            full = most is not None and end - start >= most
            if word in _TERMINATORS or self._is_option(word) or (full and word.startswith("-") and word != "-"):
                return end
        return len(words)

    def _is_option(self, word: str) -> bool:
        """Tell whether a word is a long option of flagman: ``--quiet=1`` is none, since --quiet takes no value."""
        option, equals, _ = word.partition("=")
        return option in self._triggers or (option in self._options and (not equals or self._options[option]))


def _check_count(option: str, name: ActionName, action: type[Action], arguments: Sequence[str]) -> None:
    smallest, largest = arity(action)
    if smallest <= len(arguments) and (largest is None or len(arguments) <= largest):
        return
    if largest is None:
        takes = f"at least {smallest}"
    elif smallest == largest:
        takes = f"{smallest or 'no'}"
    else:
        takes = f"{smallest} to {largest}"
    plural = "" if takes in ("1", "at least 1") else "s"
    shown = f" {describe(action)}" if largest != 0 else ""
    raise UsageError(f"{option} {name}: takes {takes} argument{plural}{shown}, got {_show(arguments)}")


def _show(arguments: Sequence[str]) -> str:
    return f"{len(arguments)}: {' '.join(map(repr, arguments))}" if arguments else "none"
