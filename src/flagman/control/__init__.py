"""Control: a run is seen and steered from outside, by requests on a Unix socket that the control loop answers.

May import: service, systemd, log, config, daemon, actions, web, triggers, children, engine, text, exceptions, types,
version.
"""
