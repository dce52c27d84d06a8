"""The text of ``flagman --list``: names in one column, descriptions wrapped beside them."""

from __future__ import annotations

import os
import re
from inspect import cleandoc
from textwrap import wrap

from flagman.actions.arguments import describe, placeholders
from flagman.exceptions import PluginError
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO

    from flagman.engine.action import Action
    from flagman.types import ActionName

_WIDTH = 80
# The least width of a description, even beside a long name.
_NARROWEST = 20


def lines(
    known: Mapping[ActionName, type[Action]], broken: Mapping[str, str], bold: tuple[str, str] = ("", "")
) -> Iterator[str]:
    """Yield the lines of the list.

    :param known: all actions; one that cannot be loaded is listed as broken
    :param broken: distributions that could not be read, with what is wrong with each
    :param bold: what to write before and after a name
    """
    names = list(known)
    column = max(len(printable(name)) for name in (*names, *broken, "name"))
    width = max(_WIDTH - column - 3, _NARROWEST)
    yield _entry("name", "description [(argument: type, ...)]", column, bold)
    yield "-" * _WIDTH
    for name in names:
        yield from _item(name, _description(known, name, width), column, bold)
    for distribution, trouble in broken.items():
        yield from _item(distribution, wrap(f"BROKEN DISTRIBUTION: {trouble}", width), column, bold)


def whole(name: ActionName, action: type[Action], bold: tuple[str, str] = ("", "")) -> Iterator[str]:
    """Yield the lines that show one action: its arguments, its whole description, and an example.

    :param bold: as above
    """
    arguments = describe(action)
    yield f"{bold[0]}{printable(name)}{bold[1]}{arguments and f' {printable(arguments)}'}"
    for paragraph in (cleandoc(action.__doc__ or "") or "(no description)").split("\n\n"):
        if not _is_line_of(arguments, paragraph):  # the first line shows them
            yield ""
            yield from map(printable, wrap(paragraph, _WIDTH))
    example = action.example or " ".join([name, *placeholders(action)])
    yield ""
    yield f"Example: flagman --usr1 {printable(example)}"
    if action.runs_commands:
        from flagman.config.command_keys import COMMAND_KEYS  # noqa: PLC0415 - only for such an action

        yield ""
        yield "A table [[on]] of the configuration file may also have these keys:"
        yield from (f"  {key:11} - {option.explanation}" for key, option in COMMAND_KEYS.items())


def bold_escapes(stream: TextIO | None) -> tuple[str, str]:
    """Return the escape sequences for bold text, if the stream is a terminal and colorama is installed."""
    # An empty NO_COLOR means nothing, see https://no-color.org.
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream or not stream.isatty():
        return "", ""
    try:
        from colorama import Style  # noqa: PLC0415 - an optional extra
    except ImportError:
        return "", ""
    return Style.BRIGHT, Style.NORMAL


def _item(name: str, text: list[str], column: int, bold: tuple[str, str]) -> Iterator[str]:
    first, *others = map(printable, text)
    yield _entry(printable(name), first, column, bold)
    yield from (f"{'':{column + 3}}{line}".rstrip() for line in others)


def _entry(name: str, text: str, column: int, bold: tuple[str, str]) -> str:
    return f"{bold[0]}{name:<{column}} -{bold[1]} {text}"


def _description(known: Mapping[ActionName, type[Action]], name: ActionName, width: int) -> list[str]:
    try:
        return _described(known[name], width)
    except PluginError as error:
        return wrap(f"BROKEN: {error}", width)
    except Exception as error:  # noqa: BLE001 - an odd plugin must not hide the others
        return wrap(f"BROKEN: it cannot be described: {type(error).__name__}: {error}", width)


def _described(action: type[Action], width: int) -> list[str]:
    description = cleandoc(action.__doc__ or "") or "(no description)"
    text = [line for paragraph in description.split("\n\n") for line in wrap(paragraph, width)]
    arguments = describe(action)
    return [*text, arguments] if arguments and not _are_named(arguments, description) else text


def _are_named(arguments: str, description: str) -> bool:
    """Return whether a description names the arguments itself, in parentheses or brackets as here.

    A single name without a type may be a word in parentheses.
    """
    names = _names(arguments)
    if _is_line_of(arguments, description.rsplit("\n\n", maxsplit=1)[-1]):
        return True
    for group in re.findall(r"[(\[](?:[^()\[\]]|[(\[][^()\[\]]*[)\]])*[)\]]", description):
        if _names(group) == names and (len(names) > 1 or ":" in group or ":" not in arguments):
            return True
    return False


def _is_line_of(arguments: str, paragraph: str) -> bool:
    """Return whether a paragraph is nothing but the arguments, each with a type, perhaps by other names."""
    group = paragraph.strip()
    parts = group[1:-1].split(",")
    is_group = group.startswith("(") and group.endswith(")") and all(":" in part for part in parts)
    return is_group and arguments != "" and len(_names(group)) == len(_names(arguments))


def _names(group: str) -> list[str]:
    """Return the names of ``(message: str, *others)``."""
    inner = re.sub(r"\[,([^\[\]]*)\]", r",\1", group[1:-1])  # (message[, delay])
    while inner != (simpler := re.sub(r"[(\[][^()\[\]]*[)\]]", "", inner)):  # the arguments of types have commas, too
        inner = simpler
    return [re.split("[:=]", part)[0].strip("* .\n") for part in inner.split(",")]
