"""The effective settings as a configuration file, for ``--print-config``."""

from __future__ import annotations

from collections.abc import Mapping

from flagman.config.command_keys import COMMAND_KEYS
from flagman.config.reader import KEYS
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagman.config.binding import Binding
    from flagman.config.settings import Settings

# What a basic string of TOML cannot hold as it is, see https://toml.io/en/v1.0.0#string.
_DELETE = 0x7F


def as_toml(settings: Settings) -> str:
    """Return settings as a text that can be read again with ``--config``.

    :raises UsageError: if something in them cannot be written in TOML
    """
    try:
        text = "".join(f"{line}\n" for line in _lines(settings))
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{error.object[error.start :][:1]!r} is not a character that can be written") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the settings cannot be written: {error}") from None
    return text


def _lines(settings: Settings) -> Iterator[str]:
    yield "[flagman]"
    for key, option in KEYS.items():
        given = settings.output_of_commands() if key == "output" else getattr(settings, option.setting)
        value = option.kind.dump(given)
        if value is not None:
            yield f"{key} = {_value(value)}"
    for binding in settings.bindings:
        yield ""
        yield "[[on]]"
        yield from _binding(binding)
    if settings.logging is not None:
        yield ""
        yield from _table("logging", settings.logging)
    if settings.for_actions:
        yield ""
        yield from _table("settings", settings.for_actions)
    for name, table in settings.tables.items():
        if isinstance(table, dict):
            yield ""
            yield from _table(name, table)


def _binding(binding: Binding) -> Iterator[str]:
    for key, text in binding.source.keys().items():
        yield f"{key} = {_string(text)}"
    yield f"action = {_string(binding.name)}"
    if binding.arguments:
        yield f"args = {_value(list(binding.arguments))}"
    by_setting = {option.setting: (key, option) for key, option in [*KEYS.items(), *COMMAND_KEYS.items()]}
    for setting, value in binding.options.items():
        key, option = by_setting[setting]
        yield f"{key} = {_value(option.kind.dump(value))}"


def _table(name: str, table: Mapping[str, object]) -> Iterator[str]:
    """Yield the lines of a table and of the tables in it, each under its whole name."""
    inner = {f"{name}.{key_of(key)}": value for key, value in table.items() if isinstance(value, Mapping)}
    if len(inner) < len(table) or not table:
        yield f"[{name}]"
    for key, value in table.items():
        if not isinstance(value, Mapping):
            yield entry(key, value)
    for number, (inner_name, inner_table) in enumerate(inner.items()):
        if number or len(inner) < len(table):
            yield ""
        yield from _table(inner_name, inner_table)


def entry(key: str, value: object) -> str:
    """Return a key with its value, in one line; what is in tables and arrays is in it, too."""
    return f"{key_of(key)} = {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(entry(key, inner) for key, inner in value.items())}}}"
    return str(value)  # a number, or a date, which prints as TOML writes it


def key_of(text: str) -> str:
    """Return a key, without quotes if it needs none, see https://toml.io/en/v1.0.0#keys."""
    is_bare = text.isascii() and text.replace("-", "").replace("_", "").isalnum()
    return text if is_bare else _string(text)


def _string(text: str) -> str:
    return f'"{"".join(map(_character, text))}"'


def _character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character < " " or ord(character) == _DELETE:
        return f"\\u{ord(character):04x}"
    return character
