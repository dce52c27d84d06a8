"""The log of the command, and the standard streams that it and the actions write to.

May import: config, daemon, actions, web, triggers, children, engine, text, exceptions, types, version.
"""
