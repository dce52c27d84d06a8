"""The grammar of the command line: which words belong to an action, and which are flagman's own options.

argparse cannot tell an action's ``-n`` from an option of flagman (python/cpython issues 53580, 124233), so the words of
actions are taken out before it parses the rest. :doc:`cli` has the rules, under "Where arguments end". In short:

=====================================  ================================================================================
``--usr1 ACTION WORD ...``             up to the next option that binds an action, a lone ``;``, or the end; an action
                                       with a limit takes no more than that, and no long option of flagman
``--every SPAN ACTION WORD ...``       the same, after one word for the trigger
``--usr1 ACTION -- WORD ...``          all words up to a lone ``;`` or the end, even if they look like options
``--usr1='ACTION WORD ...'``           one word, split as a shell would; two dashes after the name are dropped here, too
``-- COMMAND WORD ...``                any other lone ``--``: all words up to the end are the command that is wrapped
=====================================  ================================================================================

Splitting is done in two steps, because a daemon detaches between them. The first step finds where the actions are, and
loads none of them; the second one finds how many words each of them takes, and has to load it.
"""

from __future__ import annotations

from flagman.actions.arguments import arity, check
from flagman.config.binding import Binding
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flagman.config.rows import TriggerOption
    from flagman.engine.action import Action
    from flagman.triggers import Source
    from flagman.types import ActionName

    #: Finds and loads an action.
    Find = Callable[[ActionName], type[Action]]

_END = ";"
_DASHES = "--"


class Bound:
    """The words of one binding, and what may follow them.

    :param option: the option that binds it
    :param before: the binding before it, if the option of this one has ended that
    """

    def __init__(self, option: str, before: Bound | None) -> None:
        self.option = option
        self.before = before
        #: What follows the option, up to the next one that binds an action, a lone ``;`` or the end.
        self.words: list[str] = []
        #: The word that has ended them; empty at the end of the line.
        self.end = ""
        #: The one word in which they have come, if they have; then the words after it are not the action's.
        self.quoted: str | None = None
        #: Whether all words after the action's name are its own.
        self.is_verbatim = False
        #: The name of an action that takes any number of words, and the words, once that is known.
        self.open: list[str] = []
        #: Flagman's own words that follow those of the action, once they are known.
        self.late: list[str] = []


class CommandLine:
    """A command line, cut where actions are bound.

    :param words: all of it, without the program's name
    :param triggers: the options that bind an action, by name
    :param options: all other long options, and whether each takes a value
    """

    def __init__(
        self, words: Sequence[str], triggers: Mapping[str, TriggerOption], options: Mapping[str, bool]
    ) -> None:
        self._triggers = triggers
        self._options = options
        # In order: flagman's own words, and bindings.
        self._parts: list[list[str] | Bound] = [[]]
        #: Words of actions that look like options of flagman: each binding, and the word.
        self.doubtful: list[tuple[str, str]] = []
        #: The words of the command that is wrapped; None if there is none.
        self.command: tuple[str, ...] | None = None
        self._cut(words)

    @property
    def free(self) -> list[list[str]]:
        """The words before the first binding, and those after each lone ``;``: flagman's own for certain."""
        return [part for part in self._parts if isinstance(part, list)]

    def _cut(self, words: Sequence[str]) -> None:
        bound: Bound | None = None
        for position, word in enumerate(words):
            if word == _DASHES and self._begins_command(bound):
                self.command = tuple(words[position + 1 :])
                if bound is not None:
                    bound.end = word
                return
            option, equals, value = word.partition("=")
            option = option if option in self._triggers else option.lower()
            if bound is not None and word == _END:
                bound.end = word
                bound = None
                self._parts.append([])
            elif option in self._triggers and not (bound is not None and bound.is_verbatim):
                if bound is not None:
                    bound.end = word
                bound = Bound(option, bound)
                bound.quoted = value if equals else None
                self._parts.append(bound)
            elif bound is None:
                free = self._parts[-1]
                assert isinstance(free, list)  # noqa: S101 - for the type checker
                free.append(word)
            else:
                bound.is_verbatim = bound.is_verbatim or word == _DASHES  # the others begin a command
                bound.words.append(word)

    def _begins_command(self, bound: Bound | None) -> bool:
        """Return whether two dashes end flagman's options here: right after an action's name they do not."""
        if bound is None or bound.quoted is not None:
            return True
        name = bool(self._triggers[bound.option].value)  # its position among the words
        return not bound.is_verbatim and len(bound.words) != name + 1

    @property
    def own(self) -> list[tuple[bool, list[str]]]:
        """All of flagman's own words, once they are known: for each group, whether it comes after an action's words."""
        return [(True, part.late) if isinstance(part, Bound) else (False, part) for part in self._parts]

    def bind(self, find: Find) -> tuple[Binding, ...]:
        """Find the actions, and return the bindings, each with its own words.

        :param find: finds and loads actions by name
        :raises UsageError: if an action is missing, unknown or broken, or gets words that it does not take
        """
        bindings = []
        for bound in (part for part in self._parts if isinstance(part, Bound)):
            try:
                bindings.append(self._bind(bound, find))
            except UsageError as error:
                if not (hint := _hint(bound)):
                    raise
                raise type(error)(f"{error}{hint}") from error.__cause__
        return tuple(bindings)

    def _bind(self, bound: Bound, find: Find) -> Binding:
        words = bound.words if bound.quoted is None else _split(bound.option, bound.quoted)
        bound.late = [] if bound.quoted is None else bound.words
        source, start, what = self._source(bound.option, words, is_quoted=bound.quoted is not None)
        if bound.quoted is not None and start == len(words) and bound.words:
            found = "but nothing follows in the same word"
            raise UsageError(f"{what} takes an action and its arguments, {found}; write {what} ..., without =")
        name = _name_at(what, [*words, bound.end if bound.quoted is None else ""], start)
        action = _found(what, name, find)
        _, most = arity(action)
        own = words[start + 1 :]
        if bound.is_verbatim or (bound.quoted is not None and own[:1] == [_DASHES]):
            own = own[1:]
        elif bound.quoted is None and most is None:
            # Where no argument begins with a dash, two dashes can only begin a command.
            is_doubtful = bound.end == _DASHES and action.takes_dashes
            self._look_at(what, name, action, own, ends_in_dashes=is_doubtful)
            bound.open = [name, *own]
        elif bound.quoted is None:
            end = self._end(own, most or 0)
            own, bound.late = own[:end], own[end:]
        arguments = tuple(own)
        try:
            check(f"{what} {name}", action, arguments)
        except UsageError as error:
            if not bound.is_verbatim or most is None:
                raise
            raise type(error)(f"{error}; for a command to wrap, write ';' -- COMMAND") from error.__cause__
        return Binding(source, name, action, arguments)

    def _source(self, option: str, words: Sequence[str], *, is_quoted: bool) -> tuple[Source, int, str]:
        """Return what raises the flag, the position of the action, and the words so far for messages."""
        trigger = self._triggers[option]
        text = ""
        if trigger.value:
            if not words or (not is_quoted and (words[0] == _DASHES or self._is_option(words[0]))):
                raise UsageError(f"{option} takes a {trigger.value}, an action and its arguments")
            text = words[0]
        try:
            source = trigger.source(text)
        except ValueError as error:
            raise UsageError(f"{option}: {error}") from None
        return source, int(bool(trigger.value)), f"{option} {text}".rstrip()

    def _look_at(
        self, what: str, name: ActionName, action: type[Action], words: Sequence[str], *, ends_in_dashes: bool
    ) -> None:
        """Check the words of an action that takes any number of them.

        :param ends_in_dashes: whether a lone ``--`` follows them, which may mean two things
        :raises UsageError: if it does, or there is an option where there can be none
        """
        if ends_in_dashes:
            cure = _quoted(name, _DASHES, *words, _DASHES, *(self.command or ()))
            raise UsageError(
                f"{what} {name}: a lone -- is ambiguous: write {cure} if it belongs to the action, or ';' -- COMMAND"
                " if it ends flagman's options"
            )
        if not action.takes_dashes and (odd := next((word for word in words if word.startswith("-")), None)):
            raise UsageError(
                f"{what} {name}: {odd.partition('=')[0]!r} looks like an option; options of flagman come first, and for"
                f" an argument that begins with a dash write {name} -- ..."
            )
        # Only the name of each option: what follows it may be a secret.
        if options := [word.partition("=")[0] for word in words if self._is_option(word)]:
            from flagman.text.shown import shown  # noqa: PLC0415 - only for a warning

            goes_to = shown(words[0] if name == "exec" else name)
            self.doubtful += [(f"{what} {name}", f"{option} goes to {goes_to}") for option in options]

    def _end(self, words: Sequence[str], most: int) -> int:
        """Return where the arguments end, for an action that takes at most ``most`` of them."""
        for end, word in enumerate(words):
            is_full = end >= most
            if self._is_option(word) or (is_full and word.startswith("-") and word != "-"):
                return end
        return len(words)

    def _is_option(self, word: str) -> bool:
        """Return whether a word is a long option of flagman: ``--quiet=1`` is none, because --quiet takes no value."""
        option, equals, _ = word.partition("=")
        return option in self._options and (not equals or self._options[option])


def _hint(bound: Bound) -> str:
    """Return a hint how to give a program an option that has ended its words; empty if that is not the problem."""
    before = bound.before
    if before is None or not before.open or before.quoted is not None:
        return ""
    name, *words = before.open
    program = words[0] if words and name == "exec" else name
    return (
        f"; if {bound.option} belongs to {program}, write {_quoted(name, _DASHES, *words[:1])} ... {bound.option} ..."
    )


def _quoted(*words: str) -> str:
    import shlex  # noqa: PLC0415 - only for a mistake

    from flagman.text.shown import shown  # noqa: PLC0415 - as above

    return shown(shlex.join(words))


def _split(option: str, value: str) -> list[str]:
    import shlex  # noqa: PLC0415 - only this form needs it

    try:
        return shlex.split(value)
    except ValueError as error:
        raise UsageError(f"{option}={value!r}: {str(error).lower()}") from None


def _name_at(what: str, words: Sequence[str], position: int) -> ActionName:
    if position < len(words) and words[position] and not words[position].startswith(("-", _END)):
        return words[position]
    found = f"not {words[position]!r}" if position < len(words) - 1 or words[-1] else "but nothing follows"
    raise UsageError(f"{what} takes an action and its arguments, {found}; for example {what} print hello")


def _found(what: str, name: ActionName, find: Find) -> type[Action]:
    try:
        return find(name)
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from error.__cause__
