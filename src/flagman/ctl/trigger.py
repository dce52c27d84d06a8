"""The verb ``trigger``: raises a flag, and tells how its run has ended."""

from __future__ import annotations

from flagman.ctl.asking import ask
from flagman.ctl.errors import BAD
from flagman.ctl.fields import GOOD, errors_of
from flagman.ctl.screen import RED, Screen, clean, color_of, write
from flagman.ctl.targets import quoted, waiting
from flagman.ctl.times import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.ctl.fields import Fields
    from flagman.ctl.words import Words


def run(words: Words) -> int:
    """Raise the flag.

    :returns: the exit status
    """
    answer = ask(words, "POST", f"/flags/{quoted(words.argument)}{waiting(words.wait)}")
    if words.wait is None:
        if not words.json:
            write(f"raised {clean(', '.join(answer.texts('flags')) or words.argument)}")
        return 0
    if not words.json:
        screen = Screen(words.color)
        write("\n".join(_outcome(answer, words.argument, screen)))
    return 0 if answer.text("result") in GOOD else BAD


def _outcome(answer: Fields, flag: str, screen: Screen) -> list[str]:
    lines = []
    for each in answer.each("runs") or [answer]:
        result = clean(each.text("result"))
        took = duration(each.number("duration"))
        title = f"{clean(each.text('flag') or flag)}: {screen.paint(result, color_of(result))}"
        lines.append(f"{title} after {took}" if took else title)
        lines += [
            line for error in errors_of(each) for line in screen.wrapped(error, "  ", "" if result in GOOD else RED)
        ]
    return lines
