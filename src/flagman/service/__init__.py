"""One run of the daemon: its parts, opened in order and closed in reverse, its signals, its reload, its process.

It imports the log, the service manager, and what those import; nothing of the command.
"""
