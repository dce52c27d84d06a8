"""The verification of a start, and liveness, with a clock of the test."""

from __future__ import annotations

import operator
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from flagman.supervise.verifiers.check import Check
from flagman.supervise.verifiers.kind import Gifts
from flagman.supervise.verifiers.liveness import Liveness
from flagman.supervise.verifiers.verification import Verification
from support.fake_loop import FakeLoop
from support.verifying import Scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

    from flagman.supervise.instance import Instance


class Fake:
    """A process that lives as long as the test says."""

    name = "web"
    pid = 4711
    environment: Mapping[bytes, bytes] = {}

    def __init__(self) -> None:
        self.lives = True

    def is_alive(self) -> bool:
        """Return what the test says."""
        return self.lives

    def start(self, words: tuple[str, ...], streams: Mapping[int, int], on_end: Callable[[], object]) -> Instance:
        """Start nothing."""
        raise NotImplementedError


class Case:
    """A verification and what it has said."""

    def __init__(self, *answers: str | None, **options: float) -> None:
        self.loop = FakeLoop()
        self.way = Scripted(*answers)
        self.target = Fake()
        self.verdicts: list[str] = []
        self.failures: list[tuple[float, str]] = []
        self.check = Check(self.way, **options)  # type: ignore[arg-type]
        self.verification = Verification(
            self.check, self.target, self.loop, Gifts(), self.verdicts.append, self.loop.clock
        )
        self.liveness = Liveness(
            self.check, self.target, self.loop, lambda why: self.failures.append((self.loop.now - 1000, why))
        )


def test_the_first_try_comes_at_once_and_its_answer_later() -> None:
    """The first try comes at once, but the verdict never comes while the owner still begins."""
    case = Case("")
    case.verification.begin()
    assert len(case.way.tries) == 1
    assert case.verdicts == []
    case.loop.advance(0)
    assert case.verdicts == [""]
    assert case.verification.tries == 1
    case.loop.advance(1000)
    assert case.verdicts == [""]
    assert case.loop.due() is None


def test_pauses_are_doubled_up_to_a_second() -> None:
    """After the first try, pauses begin with 0.1 s and are doubled up to 1 s."""
    case = Case(timeout=10.0)
    case.verification.begin()
    moments = []
    while not case.verdicts:
        before = len(case.way.tries)
        moment = case.loop.due()
        assert moment is not None
        case.loop.advance(moment - case.loop.now)
        if len(case.way.tries) > before:
            moments.append(case.loop.now - 1000)
    assert [round(after - before, 3) for before, after in pairwise([0.0, *moments])] == [0.1, 0.2, 0.4, 0.8, *[1.0] * 8]
    assert case.verdicts == ["scripted: no answer within 10s (13 tries): later"]
    assert case.verification.last_error == "later"
    assert case.loop.due() is None


def test_another_error_is_shown_once() -> None:
    """What is around the process hears of an error that has another text, so that it can be shown."""
    case = Case("refused", "refused", "closed", "", timeout=10.0)
    shown: list[str] = []
    case.verification.on_error = lambda: shown.append(case.verification.last_error)
    case.verification.begin()
    case.loop.advance(10)
    assert (shown, case.verdicts) == (["refused", "closed"], [""])


def test_a_try_without_an_answer_fails() -> None:
    """A try that is not answered within its time has failed, and is cancelled; the next one comes after a pause."""
    case = Case(None, "", attempt_timeout=2.0)
    case.verification.begin()
    case.loop.advance(1.99)
    assert case.way.cancelled == 0
    case.loop.advance(0.01)
    assert case.way.cancelled == 1
    assert case.verification.last_error == "no answer within 2s"
    case.loop.advance(0.1)
    assert case.verdicts == [""]


@given(st.lists(st.sampled_from(["", "no", None])), st.lists(st.floats(0, 5)), st.floats(0, 60), st.floats(0, 60))
def test_the_laws_of_a_verification(
    answers: list[str | None], steps: list[float], death: float, cancelled: float
) -> None:
    """There is at most one verdict, none after a death or a cancel, no later than the timeout, and nothing is left."""
    case = Case(*answers, timeout=30.0)
    case.verification.begin()
    before_death: list[str] | None = None
    for step in [*steps, *[1.0] * 65]:
        case.loop.advance(step)
        passed = case.loop.now - 1000
        assert len(case.verdicts) == 1 or (not case.verdicts and passed < 30)
        if passed >= death and before_death is None:
            case.target.lives = False
            before_death = list(case.verdicts)
        if passed >= cancelled:
            break
    before_cancel = list(case.verdicts)
    case.verification.cancel()
    case.verification.cancel()
    case.loop.advance(100)
    assert case.verdicts == before_cancel
    if case.verdicts == [""]:
        assert before_death in (None, [""])
        assert "" in answers[: len(case.way.tries)]
    assert case.loop.due() is None


def test_an_answer_of_another_process_does_not_count() -> None:
    """If the process has ended when the answer comes, that was the answer of something else."""
    case = Case("", "")
    case.verification.begin()
    case.target.lives = False
    case.loop.advance(29)
    assert case.verdicts == []
    assert len(case.way.tries) == 1
    case.loop.advance(1)
    assert case.verdicts == ["scripted: no answer within 30s (1 try): the process has ended"]


def test_more_time() -> None:
    """A process may ask for more time, but not for less, and asks again before that is over."""
    case = Case(*[None] * 100, timeout=5.0)
    case.verification.begin()
    (around,) = case.way.tries
    around.extend(1.0)
    case.loop.advance(4)
    around.extend(10.0)
    case.loop.advance(9.9)
    assert case.verdicts == []
    around.note("still reading")
    case.loop.advance(0.1)
    assert len(case.verdicts) == 1
    assert "within 14s" in case.verdicts[0]
    around.extend(10.0)
    assert case.loop.due() is None


def test_what_answered_before_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """If something answered before the start, a warning says so."""
    case = Case("")
    verification = Verification(case.check, case.target, case.loop, Gifts("127.0.0.1:80"), case.verdicts.append)
    verification.begin()
    assert verification.looked_before() == "127.0.0.1:80"
    assert [record.message for record in caplog.records] == [
        "web: 127.0.0.1:80 answers already, before web was started"
    ]


@given(st.lists(st.sampled_from(["", "no", None]), max_size=40), st.integers(1, 4))
def test_the_laws_of_liveness(answers: list[str | None], failures: int) -> None:
    """A try comes after each span; each time so many in a row have failed, that is told, and they are counted anew.

    The next success is told, too.
    """
    case = Case(*answers, every=10.0, attempt_timeout=3.0, failures=failures)
    case.liveness.begin()
    case.loop.advance(9.9)
    assert case.way.tries == []
    row = told = 0
    is_ill = False
    for number, answer in enumerate(answers, 1):
        case.loop.advance(10)
        assert len(case.way.tries) == number
        row = row + 1 if answer != "" else 0
        if row == failures:
            row = 0
            told += 1
            is_ill = True
        elif is_ill and not row:
            told += 1
            is_ill = False
            assert case.failures[-1][1] == ""
        assert len(case.failures) == told
    for _, why in filter(operator.itemgetter(1), case.failures):
        assert why.startswith(("scripted: no", "scripted: no answer within 3s"))
        assert ("in a row" in why) is (failures > 1)
    case.liveness.cancel()
    case.liveness.cancel()
    assert case.loop.due() is None


def test_no_try_while_another_is_under_way() -> None:
    """If tries may take longer than the span between them, there is still one at a time."""
    case = Case(None, None, every=1.0, attempt_timeout=5.0, failures=1)
    case.liveness.begin()
    case.loop.advance(5.5)
    assert len(case.way.tries) == 1
    case.loop.advance(1)
    assert case.failures == [(6.0, "scripted: no answer within 5s")]


def test_liveness_ends_with_the_process() -> None:
    """When the process has ended, nothing is told of it, and nothing is planned."""
    case = Case(None, every=1.0, attempt_timeout=0.5, failures=1)
    case.liveness.begin()
    case.loop.advance(1.2)
    case.target.lives = False
    case.loop.advance(10)
    assert case.failures == []
    assert case.loop.due() is None
