"""Verifiers of plugins: subclasses of :class:`flagman.Verifier`, each call of which has a thread of its own."""

from __future__ import annotations

import inspect
import os
from types import MappingProxyType

from flagman.actions.catalog import ambiguous, full_name, load, look, place_of
from flagman.engine.reports import log_cause
from flagman.exceptions import PluginError, one_line, reason_of
from flagman.supervise.verifiers.kind import Attempt, Kind
from flagman.supervise.verifiers.verifier import Process, Verifier
from flagman.supervise.verifiers.worker import Worker
from flagman.text.hints import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around

#: The entry-point group under which distributions offer their verifiers.
GROUP = "flagman.verifier"
# The most calls of one verifier that hang at a time: each has a thread.
_MOST = 8
_HANGS = f"{_MOST} calls of the verifier hang, so it is not called again"


class Foreign(Kind):
    """A verifier of a plugin; a subclass of this stands for each.

    :param verifier: what is asked
    :param told: what the file says
    """

    is_patient = True
    is_for_liveness = True
    #: The class of the plugin.
    verifier: type[Verifier]

    def __init__(self, verifier: Verifier, *told: object) -> None:
        super().__init__(*told)
        self._verifier = verifier
        self._workers: list[Worker] = []

    @classmethod
    def read(cls, keys: Keys) -> Self:
        """Take all keys that are left, and make the verifier."""
        given = keys.rest()
        arguments = {key.replace("-", "_"): value for key, value in given.items()}
        _check_arguments(cls.verifier, keys, given)
        keys.check()
        try:
            verifier = cls.verifier(**arguments)
        except (Exception, SystemExit) as error:
            log_cause(error)
            keys.wrong("type", f"{cls.name!r}: {one_line(reason_of(error))}")
            keys.check()
            raise
        return cls(verifier, cls.verifier, tuple(sorted(given.items())))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Foreign) and (self.name, self._told) == (other.name, other._told)

    __hash__ = None

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        """Call the verifier."""
        if around.is_busy():
            answer("the call before has not returned")
            return Attempt()
        self._workers = [worker for worker in self._workers if worker.is_busy]
        if len(self._workers) >= _MOST:
            answer(_HANGS)
            return Attempt()
        call = _Call(self._verifier, around, answer)
        self._workers.append(call)
        around.is_busy = lambda: call.is_busy
        return call


class _Call(Worker):
    """A call of the verifier."""

    def __init__(self, verifier: Verifier, around: Around, answer: Answer) -> None:
        target = around.target
        environment = {os.fsdecode(name): os.fsdecode(value) for name, value in target.environment.items()}
        self._verifier = verifier
        self._lives = True
        self._process = Process(target.name, target.pid, MappingProxyType(environment), lambda: self._lives)
        super().__init__(around.loop, self._ask, answer)

    def _ask(self) -> str:
        return "" if self._verifier.run(self._process) else "it says no"

    def cancel(self) -> None:
        """Stop listening, and tell the verifier so if it asks."""
        self._lives = False
        super().cancel()


def names() -> list[str]:
    """Return the names of all verifiers that distributions offer."""
    return sorted({offer[1] for offer in look(GROUP)[0]})


def find(name: str) -> type[Foreign] | None:
    """Find a verifier by its name, by ``distribution:name``, or by ``module:Class``.

    :returns: a kind; None if there is none
    :raises PluginError: if it cannot be used
    """
    what = f"the verifier {name!r}"
    offers = [offer for offer in look(GROUP)[0] if name in (offer[1], full_name(offer))]
    if len(offers) > 1:
        raise PluginError(ambiguous(f"a verifier {name!r}", offers))
    module, colon, _ = name.partition(":")
    if offers:
        what += f" of the distribution {offers[0][0]!r}"
        found = load(place_of(offers[0][2], what), what)
    elif colon and all(part.isidentifier() for part in module.split(".")):
        found = load(name, what)
    else:
        return None
    if not (isinstance(found, type) and issubclass(found, Verifier)):
        raise PluginError(f"{what} is broken: it is not a subclass of flagman.Verifier")
    if inspect.isabstract(found):
        raise PluginError(f"{what} is broken: it does not define {', '.join(sorted(found.__abstractmethods__))}()")
    if inspect.iscoroutinefunction(found.run) or inspect.isgeneratorfunction(found.run):
        raise PluginError(f"{what} is broken: run() is a coroutine or a generator, so calling it does nothing")
    return type("Foreign", (Foreign,), {"name": name, "verifier": found})


def _check_arguments(verifier: type[Verifier], keys: Keys, given: dict[str, object]) -> None:
    """Refuse keys that the constructor does not take, and miss those that it needs."""
    try:
        parameters = inspect.signature(verifier).parameters.values()
    except (TypeError, ValueError):  # it cannot be known
        return
    named = {each.name: each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters)
    known = [name.replace("_", "-") for name in named]
    for key in given:
        if key.replace("-", "_") not in named and not takes_all:
            keys.wrong(key, f"unknown{did_you_mean(key, known)}")
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in {key.replace("-", "_") for key in given}:
            keys.wrong(name.replace("_", "-"), "is missing")
