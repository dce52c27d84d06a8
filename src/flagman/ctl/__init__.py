"""The command ``flagmanctl``, one verb a module; a verb imports only what it needs.

May import: cli, control, supervise, service, systemd, log, config, daemon, actions, web, triggers, children, engine,
text, exceptions, types, version.
"""
