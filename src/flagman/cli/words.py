"""The split of the command line: the actions and their arguments first, the rest for argparse.

argparse cannot tell an action's ``-n`` from an option of flagman (python/cpython issues 53580, 124233), so what belongs
to an action is taken out before it looks. The rules, for ``--usr1`` and every other option that binds an action:

- ``--every SPAN ACTION ARGUMENT ...``: an option that needs more than its own name to know its trigger takes one word
  first.
- ``--usr1 ACTION ARGUMENT ...``: the arguments end at the next long option of flagman, at a lone ``;`` or ``--`` (both
  are dropped), or at the end.
- An action that takes a limited number of arguments gets no more than that; a word with a dash that follows is an
  option of flagman again.
- ``--usr1='ACTION ARGUMENT ...'``: one word, split as a shell would; all of it belongs to the action, whatever it is.
"""

from __future__ import annotations

from flagman.actions.arguments import arity, check
from flagman.config.settings import Binding
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flagman.config.options import TriggerOption
    from flagman.engine.action import Action
    from flagman.triggers import Source
    from flagman.types import ActionName

_TERMINATORS = (";", "--")


class CommandLine:
    """Knows which options there are, and splits command lines.

    :param triggers: the options that bind an action, by name
    :param options: all other long options, and whether each takes a value
    :param find: finds actions by name
    """

    def __init__(
        self,
        triggers: Mapping[str, TriggerOption],
        options: Mapping[str, bool],
        find: Callable[[ActionName], type[Action]],
    ) -> None:
        self._triggers = triggers
        self._options = options
        self._look_up = find

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
            line, start = (self._from_one_word(option, value), 0) if equals else (words, position)
            source, start, what = self._source(option, line, start)
            name = self._name_at(what, line, start)
            action = self._find(what, name)
            end = len(line) if equals else self._end(line, start + 1, arity(action)[1])
            arguments = tuple(line[start + 1 : end])
            check(f"{what} {name}", action, arguments)
            bindings.append(Binding(source, name, action, arguments))
            if not equals:
                position = end + (end < len(words) and words[end] in _TERMINATORS)
        return bindings, rest

    def _source(self, option: str, words: Sequence[str], start: int) -> tuple[Source, int, str]:
        """Read what raises the flag; tell where the action is, and how to name all that has been read."""
        trigger = self._triggers[option]
        text = ""
        if trigger.value:
            if start >= len(words) or words[start].startswith("--"):
                raise UsageError(f"{option} takes a {trigger.value}, an action and its arguments")
            text = words[start]
        try:
            source = trigger.source(text)
        except ValueError as error:
            raise UsageError(f"{option}: {error}") from None
        return source, start + bool(text), f"{option} {text}".rstrip()

    def _from_one_word(self, option: str, value: str) -> list[str]:
        import shlex  # noqa: PLC0415 - only this form needs it

        try:
            return shlex.split(value)
        except ValueError as error:
            raise UsageError(f"{option}={value!r}: {str(error).lower()}") from None

    def _name_at(self, what: str, words: Sequence[str], position: int) -> ActionName:
        if position < len(words) and words[position] and not words[position].startswith(("-", ";")):
            return words[position]
        found = f"not {words[position]!r}" if position < len(words) else "but nothing follows"
        raise UsageError(f"{what} takes an action and its arguments, {found}; for example {what} print hello")

    def _find(self, what: str, name: ActionName) -> type[Action]:
        try:
            return self._look_up(name)
        except UsageError as error:
            raise UsageError(f"{what}: {error}") from error.__cause__

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
