"""The doors of an engine: how the program around it reaches what is inside."""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING

import pytest

from flagman import Action, Engine
from flagman.engine.choices import Choices
from flagman.engine.turn import Turn
from flagman.exceptions import UsageError
from support.recorder import JOURNAL, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flagman.engine.loop import Attachment


@pytest.fixture(autouse=True)
def _no_journal() -> None:
    """Begin with an empty journal."""
    JOURNAL.clear()


@pytest.fixture(name="pipe")
def _pipe() -> Iterator[tuple[int, int]]:
    """Yield the reading and the writing end of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def find(name: str) -> type[Action]:
    """Return the action of this name: there is one."""
    if name == "record":
        return Recorder
    raise UsageError(f"unknown action {name!r}")


def test_an_action_can_be_named() -> None:
    """Actions can be given by name if the engine has a function to find them, and keep that name."""
    with Engine(find=find) as engine:
        engine.set_up("usr1", "record", "a")
        engine.set_up("usr1", "record", "b", name="scribe")
        assert [member.name for member in engine.bundles["usr1"]] == ["record", "scribe"]
        with pytest.raises(UsageError, match="unknown action 'dance'"):
            engine.set_up("usr1", "dance")
    with Engine() as engine, pytest.raises(ValueError, match="cannot find actions by name, such as 'record'"):
        engine.set_up("usr1", "record", "a")


def test_several_observers_see_each_turn() -> None:
    """Several observers see each turn, in the order in which they were added."""
    seen: list[str] = []
    with Engine() as engine:
        for name in ("a", "b"):
            engine.observe(lambda turn, name=name: seen.append(f"{name}: {turn.flag} {turn.raises}"))  # type: ignore[misc]
        engine.set_up("usr1", Recorder, "x")
        engine.raise_flag("usr1", 3)
        engine.follow(engine.choices, once=True)
        engine.run()
    assert seen == ["a: usr1 3", "b: usr1 3"]


def test_a_flag_with_a_meaning_of_its_own() -> None:
    """A flag with a meaning of its own is not unmapped, but actions bound to it take precedence."""
    seen: list[str] = []
    with Engine(unmapped=lambda flag: seen.append(f"unmapped {flag}")) as engine:
        engine.on_flag("reload", lambda: seen.append("reload"))
        engine.on_flag("hup", lambda: seen.append("hang-up"))
        engine.set_up("hup", Recorder, "x")
        for flag in ("usr1", "hup", "other"):
            engine.raise_flag(flag)
        engine.raise_first("reload")
        engine.call_later(0, engine.stop)
        engine.observe(lambda turn: seen.append(f"ran {turn.flag}"))
        while engine.flags:
            engine._lower(*engine.flags.pop())
    assert seen == ["reload", "unmapped usr1", "ran hup", "unmapped other"]


def test_choices_are_followed() -> None:
    """New choices hold for actions that are set up later, and existing actions keep theirs."""
    with Engine(timeout=5, output="null") as engine:
        engine.set_up("usr1", Recorder, "a")
        engine.follow(Choices(timeout=7))
        engine.set_up("usr1", Recorder, "b")
        assert [member.timeout for member in engine.bundles["usr1"]] == [5, 7]
        assert engine.choices == Choices(timeout=7)


def test_an_action_sees_its_own_choices() -> None:
    """Each action of a turn sees its own choices there."""
    seen: list[str] = []

    class Look(Action):
        def run(self) -> None:
            seen.append(self.engine.turn.choices.output)

    with Engine(output="log") as engine:
        engine.set_up("usr1", Look, choices=Choices(output="null"))
        engine.set_up("usr1", Look)
        engine.raise_flag("usr1")
        engine.follow(engine.choices, once=True)
        engine.run()
    assert seen == ["null", "log"]


def test_an_action_asks_the_program_around_it() -> None:
    """An action can ask the program for what it offers, and checks in set_up whether it is offered."""

    class Restart(Action):
        def set_up(self, name: str) -> None:
            self._name = name
            if not self.engine.offers("restart"):
                raise UsageError("nothing here can restart a process")

        def run(self) -> None:
            JOURNAL.append(str(self.engine.ask("restart", self._name)))

    with Engine() as engine:
        engine.offer("restart", lambda words: f"restarted {words[0]}")
        engine.set_up("usr1", Restart, "web")
        engine.raise_flag("usr1")
        engine.follow(engine.choices, once=True)
        engine.run()
    assert JOURNAL == ["restarted web"]


def test_descriptors_come_and_go_while_it_runs(pipe: tuple[int, int]) -> None:
    """A readable descriptor calls its code once a turn of the loop, until it has been read or is detached."""
    reader, writer = pipe
    attachments: list[Attachment] = []

    def on_read(events: int) -> None:
        assert events & select.POLLIN
        JOURNAL.append(os.read(reader, 1).decode())
        engine.raise_flag("usr1")
        if JOURNAL.count("b"):
            attachments[0].detach()
            attachments[0].detach()
            os.write(writer, b"never read")
            engine.follow(engine.choices, once=True)

    with Engine() as engine:
        engine.set_up("usr1", Recorder, "x")
        engine.call_later(0, lambda: attachments.append(engine.attach(reader, on_read)))
        engine.call_later(0, os.write, writer, b"ab")
        engine.run()
        assert JOURNAL == ["set up x", "a", "run x", "b", "run x"]
        with pytest.raises(ValueError, match="the descriptor has been detached"):
            attachments[0].expect(writable=True)


def test_a_descriptor_that_can_be_written_to(pipe: tuple[int, int]) -> None:
    """The events that a descriptor waits for can be changed."""
    with Engine() as engine:
        engine.set_up("usr1", Recorder, "x")

        def on_room(events: int) -> None:
            JOURNAL.append(str(events & select.POLLOUT))
            attachment.expect(readable=False)
            engine.call_later(0, engine.stop)

        attachment = engine.attach(pipe[1], on_room, readable=False, writable=True)
        engine.run()
        assert JOURNAL[1:] == [str(select.POLLOUT)]
        with pytest.raises(ValueError, match="has been attached already"):
            engine.attach(pipe[1], on_room)


def test_a_descriptor_with_urgent_data() -> None:
    """A descriptor that is attached for exceptional conditions is not called for anything else."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sender:
        receiver, _ = server.accept()
        with receiver, Engine() as engine:
            engine.set_up("usr1", Recorder, "x")

            def on_urgent(events: int) -> None:
                JOURNAL.append("urgent" if events & select.POLLPRI else "other")
                receiver.recv(1, socket.MSG_OOB)
                attachment.detach()
                engine.stop()

            attachment = engine.attach(receiver.fileno(), on_urgent, readable=False, urgent=True)
            sender.send(b"plain")
            engine.call_later(0.01, sender.send, b"!", socket.MSG_OOB)
            engine.run()
            assert JOURNAL[1:] == ["urgent"]


class Told(Action):
    """Notes what its trigger tells."""

    def run(self) -> None:
        """Note the details, and stop."""
        JOURNAL.append(str(self.engine.turn.details))
        self.engine.stop()


def test_what_is_called_before_a_run(caplog: pytest.LogCaptureFixture) -> None:
    """Code that is called before a run fills the details of its turn; if it fails, the run takes place without them."""
    with Engine() as engine:
        engine.set_up("usr1", Told)
        end = engine.before_runs("usr1", lambda turn: turn.details.update(file="f"))
        fail_too = engine.before_runs("usr1", fail)
        for _ in range(3):
            engine.raise_flag("usr1")
            engine.run()
            end()
            fail_too()
    assert JOURNAL == ["{'file': 'f'}", "{}", "{}"]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "A call before a run for `usr1` failed"


def fail(_: object) -> None:
    """Raise an error, as code of a plugin may."""
    raise RuntimeError("not today")


def close_early(descriptor: int) -> Callable[[Engine], object]:
    """Return a function that attaches a copy of a descriptor and closes it without detaching it."""

    def attach(engine: Engine) -> None:
        copy = os.dup(descriptor)
        engine.attach(copy, fail)
        os.close(copy)

    return attach


@pytest.mark.parametrize("how", ["fails", "is closed"])
def test_no_descriptor_makes_the_loop_spin(how: str, pipe: tuple[int, int], caplog: pytest.LogCaptureFixture) -> None:
    """A descriptor is logged and detached if its code fails, or if it was closed too early."""
    waits: list[object] = []
    os.write(pipe[1], b"never read")
    with Engine() as engine:
        poll = engine._poller._wait

        def wait(patience: float | None) -> list[tuple[int, int]]:
            waits.append(patience)
            return poll(patience)

        engine._poller._wait = wait
        engine.set_up("usr1", Recorder, "x")
        (close_early(pipe[0]) if how == "is closed" else lambda engine: engine.attach(pipe[0], fail))(engine)
        engine.call_later(0.05, engine.stop)
        engine.run()
        assert engine._poller.attached == ()
    assert len(waits) < 10
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.message == (f"A call for descriptor {pipe[0]} failed" if how == "fails" else record.message)
    assert "was closed and not detached" in record.message or record.exc_info


def test_a_new_file_under_an_old_number(pipe: tuple[int, int]) -> None:
    """An event of a closed descriptor is not reported to a new file with its number."""
    reader, writer = pipe
    os.write(writer, b"x")
    other, end = os.pipe()
    os.write(end, b"x")
    low, high = sorted((reader, other))

    def first(_: int) -> None:
        JOURNAL.append("first")
        second_attachment.detach()
        os.close(high)
        os.dup2(quiet, high)
        engine.attach(high, lambda _: JOURNAL.append("wrong"))
        first_attachment.detach()
        engine.call_later(0.02, engine.stop)

    quiet, silent = os.pipe()
    with Engine() as engine:
        engine.set_up("usr1", Recorder, "x")
        first_attachment = engine.attach(low, first)
        second_attachment = engine.attach(high, lambda _: JOURNAL.append("second"))
        engine.run()
        assert JOURNAL == ["set up x", "first"]
    for descriptor in {other, end, quiet, silent} - {high}:
        os.close(descriptor)
    if high == other:
        os.close(high)


def test_what_is_called_after_a_run() -> None:
    """Several functions may be called after the runs of a flag, each until it is cancelled."""
    with Engine() as engine:
        engine.set_up("usr1", Recorder, "x")
        ends = [engine.after_runs("usr1", lambda name=name: JOURNAL.append(name)) for name in "ab"]  # type: ignore[misc]
        ends[0]()
        ends[0]()
        engine.raise_flag("usr1")
        engine.follow(engine.choices, once=True)
        engine.run()
        assert JOURNAL == ["set up x", "run x", "b"]


def test_an_engine_knows_whether_it_stops() -> None:
    """An engine knows whether a stop was asked for, so that a long run can end early."""
    with Engine() as engine:
        answers = [engine.stopping]
        engine.stop()
        assert [*answers, engine.stopping] == [False, True]
        assert repr(engine) == "<Engine (open) with bundles for no flag>"
    assert repr(engine).startswith("<Engine (closed)")
    assert repr(Turn("usr1", 3)) == "<Turn of 'usr1' (raises: 3, failures: 0)>"


def test_a_descriptor_that_is_not_wanted_for_now(pipe: tuple[int, int]) -> None:
    """Without any event that is waited for, not even a hang-up ends a wait."""
    reader, writer = os.dup(pipe[0]), pipe[1]
    other, end = os.pipe()
    os.close(end)
    calls: list[int] = []
    with Engine() as engine:
        engine.set_up("usr1", Recorder, "x")
        engine.attach(other, calls.append, readable=False)
        attachment = engine.attach(reader, calls.append)
        attachment.expect(readable=False)
        os.write(writer, b"x")
        engine.call_later(0.02, engine.stop)
        engine.run()
        attachment.detach()
    assert calls == []
    os.close(other)
    os.close(reader)


def test_a_failure_of_a_descriptor_is_told(pipe: tuple[int, int]) -> None:
    """The owner of a descriptor learns that its code has failed, and can attach the descriptor anew."""
    os.write(pipe[1], b"x")
    with Engine() as engine:
        engine.set_up("usr1", Recorder, "x")
        attachment = engine.attach(pipe[0], fail, on_failure=engine.stop)
        engine.run()
        assert attachment.descriptor == -1


def test_a_failing_observer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An observer that raises an exception ends neither the loop nor the other observers."""
    seen: list[str] = []

    def observe(_: Turn) -> None:
        raise RuntimeError("blind")

    with Engine() as engine:
        engine.observe(observe)
        engine.observe(lambda turn: seen.append(turn.flag))
        engine.set_up("usr1", Recorder, "x")
        engine.raise_flag("usr1")
        engine.follow(engine.choices, once=True)
        engine.run()
    assert seen == ["usr1"]
    assert "An observer of the turns failed" in caplog.messages


def test_calls_outlive_an_exception_that_leaves_the_loop() -> None:
    """A call that raises what is not contained does not take the calls with it that were due at the same moment."""
    with Engine(contained=(ValueError,)) as engine:
        engine.set_up("usr1", Recorder, "x")
        engine.call_at(0, lambda: 1 / 0)
        engine.call_at(0, JOURNAL.append, "second")
        engine.call_at(0, engine.stop)
        with pytest.raises(ZeroDivisionError):
            engine.run()
        engine.run()
        assert JOURNAL == ["set up x", "second"]


def test_the_last_bundles_know_that_the_engine_stops() -> None:
    """An action that runs after the stop sees it, and a later run begins without it."""
    seen: list[bool] = []

    class Look(Action):
        def run(self) -> None:
            seen.append(self.engine.stopping)

    with Engine(last_flags=["term"]) as engine:
        engine.set_up("term", Look)
        for _ in range(2):
            engine.raise_flag("term")
            engine.stop()
            engine.run()
    assert seen == [True, True]
