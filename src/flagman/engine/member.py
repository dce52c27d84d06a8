"""The module in which programs have first known the turn."""

from flagman.engine.turn import Turn

__all__ = ["Turn"]
