"""The command, which fails when its daemon is ready if the first word is True."""

import sys

from flagman.__main__ import main
from flagman.cli import command
from flagman.daemon import crash

crash._SYSTEM = "/no/such"
is_mistaken = sys.argv.pop(1) == "True"


class Mistaken(command._Hooks):
    """Fails as soon as all is ready, if the first word says so."""

    def ready(self) -> None:
        """Fail, or return."""
        super().ready()
        if is_mistaken:
            raise KeyError("a mistake")


command._Hooks = Mistaken
sys.exit(main())
