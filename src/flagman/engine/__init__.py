"""The engine: triggers raise flags, the loop lowers them, the bundle behind a flag runs its actions.

It knows nothing of command lines, configuration files or service managers, and can be embedded as
:class:`flagman.Engine`. All code of actions is called in here.

May import: text, exceptions, types, version.
"""
