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

import os
import sys
from collections.abc import Mapping
from contextlib import suppress

from flagman.actions import BUILT_IN
from flagman.engine import loggers
from flagman.exceptions import PluginError, UnknownActionError, one_line, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution

    from flagman.engine.action import Action
    from flagman.types import ActionName

    #: The distribution, the name of the action, and where it is.
    Offer = tuple[str, ActionName, str]

#: The entry-point group under which distributions offer their actions.
GROUP = "flagman.action"


class Catalog(Mapping["ActionName", "type[Action]"]):
    """All known actions: a mapping of name to class that loads a class when it is looked up.

    Iterating gives the names without loading anything; a name that several distributions offer appears once for each,
    as ``distribution:name``.
    """

    def __init__(self) -> None:
        self._found: tuple[list[Offer], dict[str, str]] | None = None

    def look_again(self) -> None:
        """Forget what was found, because a distribution may have been installed since."""
        self._found = None

    def _look(self) -> tuple[list[Offer], dict[str, str]]:
        if self._found is None:
            self._found = look(GROUP)
        return self._found

    @property
    def broken(self) -> dict[str, str]:
        """What is wrong with distributions that seem to offer actions, by their names."""
        return self._look()[1]

    def __getitem__(self, name: ActionName) -> type[Action]:
        """Find and load an action.

        :raises UnknownActionError: if there is none of this name
        :raises PluginError: if it cannot be loaded, or if several distributions offer it
        """
        if name in BUILT_IN:
            return _load(BUILT_IN[name], f"the action {name!r}")
        loggers.load()  # before the code of a plugin, which may log or import logging
        direct = _named_directly(name)
        if isinstance(direct, type):
            return direct
        offers = [offer for offer in self._look()[0] if name in (offer[1], full_name(offer))]
        if not offers and name != name.lower() and name.lower() in self:
            return self[name.lower()]
        if not offers:
            raise direct or self._unknown(name)
        if len(offers) > 1:
            raise PluginError(ambiguous(f"an action {name!r}", offers))
        ((distribution, _, value),) = offers
        what = f"the action {name!r} of the distribution {distribution!r}"
        return _load(place_of(value, what), what)

    def _unknown(self, name: ActionName) -> UnknownActionError:
        from flagman.actions.unknown import hint_for  # noqa: PLC0415 - only on the way to an error message

        hint = hint_for(name, self)
        trouble = "".join(f"; the distribution {where!r} is broken: {what}" for where, what in self.broken.items())
        return UnknownActionError(f"unknown action {name!r}{hint}{trouble}")

    def __iter__(self) -> Iterator[ActionName]:
        names = dict(sorted((full_name(offer), offer[1]) for offer in self._look()[0]))
        short = list(names.values())
        yield from BUILT_IN
        for whole, name in names.items():
            yield name if short.count(name) == 1 and name not in BUILT_IN else whole

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return any(name == known for known in self)


def _named_directly(name: ActionName) -> type[Action] | PluginError | None:
    """Load ``module:Class``; return the class, or what is wrong with it, or None if there is no such module."""
    module, colon, _ = name.partition(":")
    if not colon or not all(part.isidentifier() for part in module.split(".")):
        return None
    try:
        return _load(name, f"the action {name!r}")
    except PluginError as error:
        missing = error.__cause__
        absent = isinstance(missing, ModuleNotFoundError) and f"{module}.".startswith(f"{missing.name}.")
        return None if absent else error


def look(group: str) -> tuple[list[Offer], dict[str, str]]:
    """Return the offers of all distributions but flagman, and what is wrong with those that have broken metadata.

    :param group: the group of entry points

    Of two distributions with the same name the first on Python's path counts, as it does for imports.
    """
    offers: dict[Offer, None] = {}
    broken: dict[str, str] = {}
    places = {"flagman": ""}
    for found in _distributions():
        name = _directory_name(found)
        try:
            place = str(found.locate_file(""))
            if name.startswith("~") or places.setdefault(name, place) != place:
                continue  # what pip has left behind, or another version that is not imported
            points = list(_points(found.read_text("entry_points.txt") or "", group))
            title = (_title(found) or name) if points else ""
            offers |= dict.fromkeys((title, point, value) for point, value in points)
        except Exception as error:  # noqa: BLE001 - the files of others may contain anything
            if _concerns_us(found, error, group):
                broken[name] = f"its metadata cannot be read: {type(error).__name__}: {one_line(error)}"
    return list(offers), broken


def _points(text: str, wanted: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of the entry points of one group.

    :mod:`importlib.metadata` could do it, but from Python 3.15 on it refuses the whole file for one odd value in any
    group. See https://packaging.python.org/en/latest/specifications/entry-points/ for the format.

    :raises ValueError: if an entry point has no value
    """
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]")
        elif group == wanted and line and not line.startswith("#"):
            name, equals, value = map(str.strip, line.partition("="))
            if not equals:
                raise ValueError(f"{name!r} has no value")
            if name:
                yield name, value


def _distributions() -> Iterator[Distribution]:
    """Yield all distributions; a finder that another program has added, and that fails, is left out."""
    from importlib.metadata import DistributionFinder  # noqa: PLC0415 - 20 ms, and no built-in action needs it

    for finder in sys.meta_path:
        with suppress(Exception):
            find = getattr(finder, "find_distributions", None)
            if find is not None:
                yield from find(DistributionFinder.Context())


def _directory_name(found: Distribution) -> str:
    """Return the normal form of the name in the metadata directory's own name, for which no file need be read.

    See https://packaging.python.org/en/latest/specifications/name-normalization/.
    """
    stem = kind = ""
    with suppress(Exception):
        stem, _, kind = os.path.basename(str(getattr(found, "_path", ""))).rpartition(".")  # noqa: PTH119 - pathlib: 5 ms
    name = stem.partition("-")[0] if kind in ("dist-info", "egg-info") else _title(found)
    return "-".join(filter(None, name.lower().replace("_", "-").replace(".", "-").split("-")))


def _title(found: Distribution) -> str:
    """Return the name in the metadata, or an empty one."""
    with suppress(Exception):
        return str(found.name or "")
    return ""


def _concerns_us(found: Distribution, error: Exception, group: str) -> bool:
    """Return whether a file that cannot be read seems to offer something of a group."""
    if isinstance(error, UnicodeDecodeError):
        return group.encode() in error.object.replace(b"\0", b"")  # it may be UTF-16
    with suppress(Exception):
        return group in (found.read_text("entry_points.txt") or "")
    return False


def full_name(offer: Offer) -> ActionName:
    """Return the name of an offer with that of its distribution."""
    return f"{offer[0]}:{offer[1]}"


def ambiguous(what: str, offers: list[Offer]) -> str:
    """Return a message that says how to choose one of several offers.

    :param what: what they offer
    """
    full_names = set(map(full_name, offers))
    if len(full_names) == len(offers):
        return f"several distributions offer {what}: choose {' or '.join(sorted(full_names))}"
    places = sorted({place_of(value) for _, _, value in offers})  # more than one version is installed
    return f"{what.replace('an ', 'the ', 1)} is offered more than once: choose {' or '.join(places)}"


def place_of(value: str, what: str = "") -> str:
    """Return the place of an entry point, without the extras that its value may also name, in brackets.

    :param what: what it is, for messages; empty to accept any value
    :raises PluginError: if it is not of the form ``module:Class``
    """
    place = ":".join(part.strip() for part in value.partition("[")[0].split(":"))
    if what and not place.partition(":")[2]:
        raise PluginError(f"{what} is broken: {place!r} is not of the form module:Class")
    return place


def load(place: str, what: str) -> object:
    """Import ``module:Class``; an error inside the module is reported as the module's own fault.

    :param what: what it is, for messages
    :raises PluginError: if that is not possible
    """
    module, _, attribute = place.partition(":")
    try:
        __import__(module)  # as importlib does; to import that takes time
        found: object = sys.modules[module]
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        raise PluginError(f"{what} is broken: {type(error).__name__}: {text_of(error)}") from error
    return found


def _load(place: str, what: str) -> type[Action]:
    """Import the class of an action."""
    from flagman.engine.action import Action  # noqa: PLC0415 - not before an action is wanted
    from flagman.engine.roster import defect_in  # noqa: PLC0415 - as above

    found = load(place, what)
    if not (isinstance(found, type) and issubclass(found, Action)):
        raise PluginError(f"{what} is broken: {place} is not a subclass of flagman.Action")
    if defect := defect_in(found):
        raise PluginError(f"{what} is broken: {defect}")
    return found
