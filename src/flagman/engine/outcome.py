"""The old name of ``flagman.engine.turn``, kept for programs that import it."""

from flagman.engine.turn import Outcome

__all__ = ["Outcome"]
