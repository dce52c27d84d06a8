"""Processes that flagman keeps: the command that it wraps, and the init that stands in front of it as process 1.

May import: service, systemd, log, config, daemon, actions, web, triggers, children, engine, text, exceptions, types,
version.
"""
