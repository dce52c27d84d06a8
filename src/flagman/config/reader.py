"""The configuration file: TOML in, settings and bindings out, or all mistakes in the file.

The tables are ``[flagman]``, with the long options of the command as keys, ``[[on]]``, one binding each, ``[logging]``,
which belongs to :func:`logging.config.dictConfig`, and ``[settings]``, which belongs to actions. Nothing is
interpolated.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import MappingProxyType

from flagman.actions.arguments import check
from flagman.config.binders import TRIGGERS
from flagman.config.binding import Binding
from flagman.config.command_keys import COMMAND_KEYS
from flagman.config.frozen import frozen_table
from flagman.config.options import OPTIONS
from flagman.config.rows import BINDING, FILE
from flagman.config.settings import Settings
from flagman.config.values import is_number
from flagman.engine.reports import log_cause
from flagman.exceptions import ConfigError, UsageError
from flagman.text.hints import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flagman.config.rows import Option
    from flagman.config.settings import OfPart
    from flagman.engine.action import Action
    from flagman.triggers import Source
    from flagman.types import ActionName

    #: Finds and loads an action.
    Find = Callable[[ActionName], type[Action]]
    #: Returns what a part reads from its table, which is None for nothing, and what is wrong with it, one message each.
    ReadTable = Callable[[object], tuple[OfPart | None, Iterable[str]]]

#: The keys of [flagman].
KEYS = {option.key: option for option in OPTIONS if option.where >= FILE}
# What people call keys of [[on]].
_MEANT = {
    "env": "'environment'",
    "cwd": "'directory'",
    "dir": "'directory'",
    "command": "'action'",
    "arguments": "'args'",
    "exec": 'action = "exec"',
    "sh": 'action = "sh"',
    "usr1": 'signal = "USR1"',
    "usr2": 'signal = "USR2"',
    "hup": 'signal = "HUP"',
    "path": "'file'",
    "timer": "'every'",
    "on-process": "'process'",
}
# The tables that belong to no part.
_TABLES = ("flagman", "on", "logging", "settings")
# The keys that a binding may have, too.
_OF_BINDINGS = {key: option for key, option in KEYS.items() if option.where >= BINDING} | COMMAND_KEYS
# The keys of [[on]] that name what raises the flag.
_SOURCES = {trigger.key: trigger for trigger in TRIGGERS.values() if trigger.value}
# The keys that go with one of these, and no other.
_WITH = {trigger.and_key: key for key, trigger in _SOURCES.items() if trigger.and_key}


class Config:
    """The content of a file."""

    def __init__(self) -> None:
        #: Options, by the name of their setting.
        self.options: dict[str, object] = {}
        #: In the order of the file.
        self.bindings: list[Binding] = []
        #: The table [logging] as it is; None if there is none.
        self.logging: dict[str, object] | None = None
        #: The table [settings], deeply read-only.
        self.for_actions: Mapping[str, object] = MappingProxyType({})
        #: The tables of parts, as they are.
        self.tables: dict[str, object] = {}
        #: What parts have read from them.
        self.of_parts: dict[str, OfPart] = {}

    def below(self, given: Settings) -> Settings:
        """Return all settings: those of the command line take precedence, and its bindings come after the file's."""
        settings = Settings(**{**self.options, **vars(given)})
        bindings = (*(settings.separated(binding) for binding in self.bindings), *given.bindings)
        return settings.changed(
            bindings=bindings,
            logging=self.logging,
            for_actions=self.for_actions,
            tables=self.tables,
            of_parts=self.of_parts,
        )


class File:
    """A file that has been read; its actions are found by :meth:`complete`.

    :param path: of the file, as the user knows it
    :param place: where the file is now, if that path no longer leads there
    :param tables: tables that are known beside those of flagman itself
    :param extend: called with the directory ``pythonpath`` before a table is read, because that may name classes there
    :raises ConfigError: if it cannot be read
    """

    def __init__(
        self,
        path: str,
        place: str = "",
        tables: Mapping[str, ReadTable] | None = None,
        extend: Callable[[str], object] = str,
    ) -> None:
        try:
            text = Path(place or path).read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
        except UnicodeDecodeError as error:
            raise ConfigError([f"{path}: is not UTF-8, at byte {error.start}"]) from error
        try:
            document: dict[str, object] = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            hint = '; texts, spans and modes stand in quotes: timeout = "5m"' if isinstance(error, ValueError) else ""
            raise ConfigError([f"{path}: is not TOML: {error}{hint}"]) from error
        self._reader = _Reader(path, tables or {}, extend)
        self._document = document
        self._config = self._reader.options(document)

    @property
    def options(self) -> Mapping[str, object]:
        """The options of [flagman], by the names of their settings; none if there are mistakes."""
        return {} if self._reader.mistakes else self._config.options

    def complete(self, find: Find) -> Config:
        """Find the actions, and return the whole content of the file.

        :param find: finds actions by name
        :raises ConfigError: if anything in the file is wrong; the error has one line for each mistake
        """
        self._reader.bindings(self._document, self._config, find)
        if self._reader.mistakes:
            raise ConfigError(self._reader.mistakes)
        return self._config


class _Reader:
    """Turns tables into options and bindings, and collects the mistakes in them.

    :param path: the file, for messages
    :param tables: tables that are known beside those of flagman itself
    :param extend: called with the directory ``pythonpath``
    """

    def __init__(self, path: str, tables: Mapping[str, ReadTable], extend: Callable[[str], object]) -> None:
        self._path = path
        self._extend = extend
        self._tables = tables
        self.mistakes: list[str] = []

    def options(self, document: Mapping[str, object]) -> Config:
        """Read all but the bindings."""
        config = Config()
        options = document.get("flagman", {})
        if isinstance(options, dict):
            config.options = self._options("[flagman]", options, KEYS)
        else:
            self._wrong("flagman", "is not a table; write [flagman]")
        self._extend(str(config.options.get("pythonpath", "")))
        for name in (name for name in document if name not in _TABLES):
            self._table(name, document[name], config)
        logging = document.get("logging")
        if isinstance(logging, dict) and logging.get("version") != 1:
            self._wrong("[logging]: key 'version'", "must be 1, see logging.config.dictConfig")
        elif isinstance(logging, dict):
            config.logging = logging
        elif logging is not None:
            self._wrong("logging", "is not a table; write [logging]")
        settings = document.get("settings", {})
        if isinstance(settings, dict):
            config.for_actions = frozen_table(settings)
        else:
            self._wrong("settings", "is not a table; write [settings]")
        return config

    def _table(self, name: str, value: object, config: Config) -> None:
        """Read a table of a part."""
        if name not in self._tables:
            if all(isinstance(each, dict) for each in (value if isinstance(value, list) else [value])):
                hint = did_you_mean(name, (*_TABLES, *self._tables))
                hint = "; it is a key of the table [flagman]" if name in KEYS else hint
                self._wrong(f"table {name!r}", f"unknown{hint}")
            else:
                begin = "[flagman]" if name in KEYS else "[flagman] or [[on]]"
                self._wrong(f"key {name!r}", f"stands outside of a table; begin with {begin}")
            return
        config.tables[name] = value
        found, mistakes = self._tables[name](value)
        if found is not None:
            config.of_parts[name] = found
        for mistake in mistakes:
            self._wrong(f"[{name}]", mistake)

    def bindings(self, document: Mapping[str, object], config: Config, find: Find) -> None:
        """Read the bindings."""
        bindings = document.get("on", [])
        if isinstance(bindings, list) and all(isinstance(table, dict) for table in bindings):
            for number, table in enumerate(bindings, 1):
                binding = self._binding(f"[[on]] #{number}", table, find)
                if binding is not None:
                    config.bindings.append(binding)
        else:
            self._wrong("on", "is not an array of tables; write [[on]]")

    def _wrong(self, place: str, message: str) -> None:
        self.mistakes.append(f"{self._path}: {place}: {message}")

    def _options(self, table: str, values: Mapping[str, object], known: Mapping[str, Option]) -> dict[str, object]:
        options: dict[str, object] = {}
        for key, value in values.items():
            if key not in known:
                self._wrong(f"{table}: key {key!r}", f"unknown{did_you_mean(key, known)}")
                continue
            try:
                options[known[key].setting] = known[key].kind.load(value)
            except ValueError as error:
                self._wrong(f"{table}: key {key!r}", str(error))
        return options

    def _binding(self, place: str, table: Mapping[str, object], find: Find) -> Binding | None:
        before = len(self.mistakes)
        known = (*_SOURCES, *_WITH, "action", "args", *_OF_BINDINGS)
        for key in table:
            if key not in known:
                meant = _MEANT.get(key)
                hint = f"; did you mean {meant}?" if meant else did_you_mean(key, known)
                self._wrong(f"{place}: key {key!r}", f"unknown{hint}")
        own = {key: value for key, value in table.items() if key in _OF_BINDINGS}
        options = self._options(place, own, _OF_BINDINGS)
        source = self._source(place, table)
        name = self._text(place, table, "action")
        arguments = table.get("args", [])
        if not isinstance(arguments, list) or not all(isinstance(argument, str) for argument in arguments):
            self._wrong(f"{place}: key 'args'", 'is not an array of strings, such as ["one", "two"]')
            arguments = []
        if name is None:
            return None
        try:
            action = find(name)
        except UsageError as error:
            log_cause(error)
            self._wrong(f"{place}: key 'action'", str(error))
            return None
        for key in (key for key in table if key in COMMAND_KEYS and not action.runs_commands):
            self._wrong(f"{place}: key {key!r}", f"is for actions that run commands, such as exec; {name!r} runs none")
        if source is None or len(self.mistakes) > before:
            return None
        try:
            check(name, action, arguments)
        except UsageError as error:
            log_cause(error)
            self._wrong(f"{place}: key 'args'", str(error))
            return None
        return Binding(source, name, action, tuple(arguments), options)

    def _source(self, place: str, table: Mapping[str, object]) -> Source | None:
        given = [key for key in _SOURCES if key in table]
        if len(given) != 1:
            found = f"{' and '.join(given)} are given" if given else "none is given"
            self._wrong(place, f"needs one of the keys {', '.join(map(repr, _SOURCES))}; {found}")
            return None
        (key,) = given
        for other in (other for other, first in _WITH.items() if other in table and first != key):
            self._wrong(f"{place}: key {other!r}", f"goes with the key {_WITH[other]!r}, and not with {key!r}")
        names = list(filter(None, (key, _SOURCES[key].and_key)))
        texts = [text for name in names if (text := self._text(place, table, name)) is not None]
        if len(texts) < len(names):
            return None
        try:
            return _SOURCES[key].source(":".join(texts))
        except ValueError as error:
            self._wrong(f"{place}: {' and '.join(f'key {name!r}' for name in names)}", str(error))
            return None

    def _text(self, place: str, table: Mapping[str, object], key: str) -> str | None:
        value = table.get(key)
        if isinstance(value, str):
            return value
        if is_number(value) and key in _SOURCES and _SOURCES[key].takes_numbers:
            return str(value)
        self._wrong(f"{place}: key {key!r}", "is missing" if value is None else "is not a string")
        return None
