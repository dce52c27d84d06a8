"""The verb completion, and the scripts that it prints: their text, and what they do in real shells."""

from __future__ import annotations

import pytest

from flagman.actions import BUILT_IN
from flagman.ctl.completion import SCRIPTS
from support import completing
from support.shells import FOLDER


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_agrees_with_the_tables(shell: str) -> None:
    """The script is what its frame and the tables make; if it is another one, this test writes it anew and fails."""
    path = FOLDER / SCRIPTS[shell]
    made = completing.made(shell)
    golden = path.read_text(encoding="utf-8") if path.exists() else ""
    if made != golden:
        path.write_text(made, encoding="utf-8")
    assert made == golden


def test_every_action_has_kinds_of_words() -> None:
    """Each built-in action, and no other, says what its words are, as many as it takes."""
    assert list(completing.WORDS) == list(BUILT_IN)
    for name, (least, most, kinds, _) in completing.action_lines().items():
        assert least <= len(kinds), name
        assert most in {len(kinds), completing.MANY}, name
