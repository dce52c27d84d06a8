"""The name by which plugins have always known the module of the base class."""

from flagman.engine.action import Action

__all__ = ["Action"]
