"""What stands at a path, and how a change of it is noticed: the machinery of ``--on-file``.

``way`` finds where a path leads, ``snapshot`` what stands there, ``claims`` what to ask the kernel for. ``events`` has
the one inotify descriptor of the daemon, ``mounts`` knows what the kernel cannot report, and ``watch`` decides.
"""
