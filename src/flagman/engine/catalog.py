"""The catalog: finds actions by name, and imports no more than it is asked for.

====================  ==============================================================================
name                  finds
====================  ==============================================================================
``print``             a built-in action, without reading any metadata; else the only distribution
                      that offers this name under the entry-point group ``flagman.action``
``module:Class``      a class, for development, without an entry point
``acme-tools:purge``  the action ``purge`` of one distribution, where several offer that name
====================  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from flagman.actions import BUILT_IN
from flagman.exceptions import PluginError, UnknownActionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint

    from flagman.actions.action import Action
    from flagman.types import ActionName

#: The entry-point group under which distributions offer their actions.
GROUP = "flagman.action"


class Catalog(Mapping["ActionName", "type[Action]"]):
    """All known actions: a mapping of name to class that loads a class when it is looked up.

    Iterating gives the names without loading anything; a name that several distributions offer appears once for each,
    as ``distribution:name``.
    """

    def __init__(self) -> None:
        self._points: list[EntryPoint] | None = None

    def look_again(self) -> None:
        """Forget what is installed: something may have been added since."""
        self._points = None

    def _plugins(self) -> list[EntryPoint]:
        if self._points is None:
            self._points = _plugins()
        return self._points

    def __getitem__(self, name: ActionName) -> type[Action]:
        """Find and load an action.

        :raises UnknownActionError: if there is none of this name
        :raises PluginError: if it cannot be loaded, or if several distributions offer it
        """
        if name in BUILT_IN:
            return _load(BUILT_IN[name], f"the action {name!r}")
        direct = _named_directly(name)
        if isinstance(direct, type):
            return direct
        offers = [point for point in self._plugins() if name in (point.name, _full_name(point))]
        if not offers:
            if direct is not None:
                raise direct
            from flagman.hints import did_you_mean  # noqa: PLC0415 - only on the way to an error message

            hint = did_you_mean(name, self, otherwise="; flagman --list names them all")
            raise UnknownActionError(f"unknown action {name!r}{hint}")
        if len(offers) > 1:
            choices = " or ".join(sorted(map(_full_name, offers)))
            raise PluginError(f"several distributions offer an action {name!r}: choose {choices}")
        return _load(
            f"{offers[0].module}:{offers[0].attr}",
            f"the action {name!r} of the distribution {_distribution(offers[0])!r}",
        )

    def __iter__(self) -> Iterator[ActionName]:
        plugins = sorted(self._plugins(), key=_full_name)
        names = [point.name for point in plugins]
        yield from BUILT_IN
        for point in plugins:
            alone = names.count(point.name) == 1 and point.name not in BUILT_IN
            yield point.name if alone else _full_name(point)

    def __len__(self) -> int:
        return len(BUILT_IN) + len(self._plugins())

    def __contains__(self, name: object) -> bool:
        return any(name == known for known in self)


def _named_directly(name: ActionName) -> type[Action] | PluginError | None:
    """Load ``module:Class``; tell what is wrong with it, or give None if there is no such module."""
    module, colon, _ = name.partition(":")
    if not colon or not all(part.isidentifier() for part in module.split(".")):
        return None
    try:
        return _load(name, f"the action {name!r}")
    except PluginError as error:
        missing = error.__cause__
        absent = isinstance(missing, ModuleNotFoundError) and f"{module}.".startswith(f"{missing.name}.")
        return None if absent else error


def _plugins() -> list[EntryPoint]:
    """List what distributions other than flagman itself offer."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - 20 ms, and no built-in action needs it

    return [point for point in entry_points(group=GROUP) if _distribution(point) != "flagman"]


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _full_name(point: EntryPoint) -> ActionName:
    return f"{_distribution(point)}:{point.name}"


def _load(place: str, what: str) -> type[Action]:
    """Import ``module:Class``; whatever goes wrong inside the module is named as the module's own fault."""
    from flagman.actions.action import Action  # noqa: PLC0415 - not before an action is wanted

    module, _, attribute = place.partition(":")
    try:
        found: object = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        raise PluginError(f"{what} is broken: {type(error).__name__}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Action)):
        raise PluginError(f"{what} is broken: {place} is not a subclass of flagman.Action")
    return found
