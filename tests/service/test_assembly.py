"""What an assembly makes of settings in an engine."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagman import Engine
from flagman.config.binding import Binding
from flagman.config.settings import Settings
from flagman.exceptions import SetUpError
from flagman.service.assembly import Assembly
from flagman.testing import FakeTime
from flagman.triggers import by_clock
from flagman.triggers.by_clock import AfterSource
from flagman.triggers.by_signal import SignalSource
from support.raised import taken
from support.recorder import JOURNAL, Recorder

if TYPE_CHECKING:
    from flagman import Action


def test_a_tick_in_time_comes_later_by_the_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jitter also delays a tick of ``--after``."""
    monkeypatch.setattr(by_clock, "spread", lambda jitter: lambda: jitter / 2)
    JOURNAL.clear()
    time = FakeTime()
    settings = Settings(jitter=8.0, bindings=(Binding(AfterSource(10.0), "recorder", Recorder, ("once",)),))
    with Engine(contained=(), clock=time, wait=time.wait) as engine:
        time.on_end = engine.stop
        assembly = Assembly(engine, settings)
        plan = assembly.plan(settings)
        assert assembly.set_up(plan)
        assembly.adopt(plan)
        time.end = time.now + 13.9
        engine.run()
        assert JOURNAL == ["set up once"]
        time.end += 0.2
        engine.run()
        assert JOURNAL == ["set up once", "run once"]


def bindings(*words: str) -> tuple[Binding, ...]:
    """Return bindings for words such as ``usr1:a``."""
    signums = {"usr1": signal.SIGUSR1, "usr2": signal.SIGUSR2, "hup": signal.SIGHUP}
    pairs = [word.split(":") for word in words]
    return tuple(Binding(SignalSource(signums[flag]), "recorder", Recorder, (name,)) for flag, name in pairs)


def follow(assembly: Assembly, *words: str) -> list[Action]:
    """Make an assembly follow other bindings, and return the actions to be torn down then."""
    settings = Settings(bindings=bindings(*words))
    plan = assembly.plan(settings)
    assert assembly.set_up(plan)
    assembly.adopt(plan)
    return [member.action for member in plan.old]


def names(engine: Engine) -> dict[str, list[str]]:
    """Return the names of the actions in all bundles."""
    return {flag: [vars(member.action)["name"] for member in bundle] for flag, bundle in engine.bundles.items()}


WORDS = st.lists(st.sampled_from(["usr1:a", "usr1:b", "usr2:a", "usr2:b", "hup:a", "hup:c"]), max_size=6)


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_what_holds_is_the_last_configuration(histories: list[list[str]]) -> None:
    """Bundles are those of a start with the last settings, and only the differences are set up or left over."""
    with Engine(contained=()) as engine:
        assembly = Assembly(engine, Settings())
        held: Counter[str] = Counter()
        alive: set[Action] = set()
        for words in histories:
            JOURNAL.clear()
            left = follow(assembly, *words)
            assert Counter(JOURNAL) == Counter(
                f"set up {word.split(':')[1]}" for word in (Counter(words) - held).elements()
            )
            assert len(left) == (held - Counter(words)).total()
            wanted: dict[str, list[str]] = {}
            for word in words:
                flag, name = word.split(":")
                wanted.setdefault(flag, []).append(name)
            assert names(engine) == wanted
            now = {member.action for bundle in engine.bundles.values() for member in bundle}
            assert alive - set(left) <= now
            assert len(now) == len(words)
            held, alive = Counter(words), now


def test_what_actions_have_added_themselves_stays() -> None:
    """An action that another action has added stays, because it belongs to no binding."""
    with Engine(contained=()) as engine:
        assembly = Assembly(engine, Settings())
        follow(assembly, "usr1:a")
        engine.set_up("usr1", Recorder, "own")
        engine.set_up("usr2", Recorder, "another")
        follow(assembly, "hup:a")
        assert names(engine) == {"hup": ["a"], "usr1": ["own"], "usr2": ["another"]}


def holding(*pairs: tuple[str, str]) -> Settings:
    """Return settings with bindings of USR1, from pairs of flag and name."""
    return Settings(
        bindings=tuple(
            Binding(SignalSource(signal.SIGUSR1), "recorder", Recorder, (name,), variant=flag.partition("~")[2])
            for flag, name in pairs
        )
    )


class Curious(Recorder):
    """Notes the choices of its engine in set_up, and adds another action."""

    def set_up(self, name: str) -> None:
        """Note the choices."""
        super().set_up(name)
        choices = self.engine.choices
        JOURNAL[:] = [f"{choices.output} {choices.timeout} {choices.on_error} {choices.max_failures}"]
        self.engine.set_up("another", Recorder, "added")
        if name == "fails":
            raise ValueError


def curious(name: str, **choices: object) -> Settings:
    """Return settings with one binding of an action that notes its choices."""
    return Settings(**choices, bindings=(Binding(SignalSource(signal.SIGUSR1), "curious", Curious, (name,)),))


def test_a_set_up_sees_the_settings() -> None:
    """A set_up sees the new settings, and after a failure the engine has the old ones again."""
    first = curious("a", output="log", once=True, timeout=5.0, on_error="exit", max_failures=3)
    with Engine(contained=(ValueError,)) as engine:
        assembly = Assembly(engine, first)
        plan = assembly.plan(first)
        assert assembly.set_up(plan)
        assert JOURNAL[0] == "log 5.0 exit 3"
        assembly.adopt(plan)
        (added,) = engine.bundles["another"]
        assert (added.timeout, added.choices.on_error) == (5.0, "exit"), "what it adds is like itself"
        plan = assembly.plan(curious("fails", output="null"))
        with pytest.raises(SetUpError):
            assembly.set_up(plan)
        assert JOURNAL[0] == "null None continue 0"
        assembly.undo(plan)
        assert (engine.choices.output, engine._once, engine.choices.timeout) == ("log", True, 5.0)


def test_a_set_up_sees_the_settings_of_its_own_binding() -> None:
    """A set_up sees the settings of its own binding, which may differ from the common ones."""
    settings = curious("a", timeout=11.0)
    settings.bindings[0].options = {"timeout": 22.0}
    with Engine(contained=()) as engine:
        assembly = Assembly(engine, settings)
        plan = assembly.plan(settings)
        assert assembly.set_up(plan)
        assert JOURNAL[0] == "inherit 22.0 continue 0"
        assert engine.choices.timeout == 11.0


def test_a_signal_before_the_swap_is_answered_by_all() -> None:
    """A binding that moves to another bundle takes along the raises for which its old bundle was to run."""
    with Engine(contained=()) as engine:
        assembly = Assembly(engine, Settings())
        for settings in (holding(("usr1", "a"), ("usr1", "b")), holding(("usr1", "a"), ("usr1~2s", "b"))):
            plan = assembly.plan(settings)
            assert assembly.set_up(plan)
            assembly.adopt(plan)
            engine.flags.add("usr1", 3)
        engine.flags.discard("usr1")
        assert taken(engine.flags) == [("usr1~2s", 3)]
        engine.debounce("usr1~2s", 3600)
        engine._lower("usr1~2s", (2, engine.clock(), engine.clock()))
        assert engine.pending("usr1~2s") == 2
        plan = assembly.plan(holding(("usr1", "a"), ("usr1", "b"), ("usr1", "c")))
        assert assembly.set_up(plan)
        assembly.adopt(plan)
        assert taken(engine.flags) == [("usr1", 2)]


def test_raised_flags_of_a_bundle_that_has_gone() -> None:
    """Raises of a bundle that is gone pass to the other bundles of its trigger, if there are any."""
    with Engine(contained=()) as engine:
        assembly = Assembly(engine, Settings())
        follow(assembly, "usr1:a", "usr2:a")
        engine.flags.add("usr1", 3)
        engine.flags.add("usr2", 2)
        settings = Settings(bindings=tuple(binding.as_variant("2s") for binding in bindings("usr1:a")))
        plan = assembly.plan(settings)
        assert assembly.set_up(plan)
        assembly.adopt(plan)
        assert taken(engine.flags) == [("usr1~2s", 3), ("usr2", 2)]


def test_a_tick_with_a_jitter_of_its_own_that_is_added_later() -> None:
    """A tick with its own jitter that is added later has a flag of its own, and keeps the jitter."""

    def settings(count: int) -> Settings:
        binding = Binding(AfterSource(10.0), "recorder", Recorder, ("x",))
        own = Binding(AfterSource(10.0), "recorder", Recorder, ("y",), {"jitter": 1.0}, variant="1s")
        return Settings(bindings=(binding, own) * count)

    time = FakeTime()
    with Engine(contained=(), clock=time, wait=time.wait) as engine:
        assembly = Assembly(engine, settings(1))
        for count in (1, 2):
            plan = assembly.plan(settings(count))
            assert assembly.set_up(plan)
            assembly.adopt(plan)
        assert set(engine.bundles) == {"after-10s", "after-10s~1s", "after-10s~2", "after-10s~1s~2"}
        jitters = {flag: options["jitter"] for flag, (options, _) in assembly._timetable._begun.items()}  # type: ignore[union-attr]
        assert jitters == {"after-10s": 0.0, "after-10s~1s": 1.0, "after-10s~2": 0.0, "after-10s~1s~2": 1.0}
