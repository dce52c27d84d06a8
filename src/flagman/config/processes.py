"""The processes that bindings name: each has to be a table of the file."""

from __future__ import annotations

from flagman.engine.flags import in_log
from flagman.exceptions import ConfigError
from flagman.text.hints import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from flagman.config.binding import Binding


def check_names(bindings: Iterable[Binding], known: Collection[str]) -> None:
    """Refuse bindings that name processes that are not known.

    :param known: the names of the processes that there are
    :raises ConfigError: with one line for each unknown name in each binding
    """
    otherwise = "" if known else "; each process is a table [process.NAME] of the configuration file"
    mistakes = []
    for binding in bindings:
        named = {in_log(binding.title): binding.source.processes()}
        named |= {f"{in_log(binding.title)}: {binding.name}": binding.processes()}
        for place, names in named.items():
            for name in (name for name in names if name not in known):
                hint = did_you_mean(name, known, otherwise=otherwise)
                mistakes.append(f"{place}: there is no process {name!r}{hint}")
    if mistakes:
        raise ConfigError(mistakes)
