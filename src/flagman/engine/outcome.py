"""The module in which programs have first known the outcome."""

from flagman.engine.engine import Outcome

__all__ = ["Outcome"]
