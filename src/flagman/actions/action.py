"""The old name of ``flagman.engine.action``, kept for programs."""

from flagman.engine.action import Action

__all__ = ["Action"]
