"""One run of the daemon: its parts, opened in order and closed in reverse, its signals, its reload, its process.

May import: systemd, log, config, daemon, actions, web, triggers, children, engine, text, exceptions, types, version.
"""
