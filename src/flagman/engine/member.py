"""The old name of ``flagman.engine.turn``, kept for programs that import it."""

from flagman.engine.turn import Turn

__all__ = ["Turn"]
