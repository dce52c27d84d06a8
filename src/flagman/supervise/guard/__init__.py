"""What is left behind: the guardian, which ends the processes of a daemon that was killed, and the strays.

``guardian`` is what runs in an interpreter of its own, ``sweep`` and ``seen`` are its parts. ``guard`` is the daemon's
side of it, ``running`` one life of it, and ``register`` what both sides have open. ``lock`` and ``former`` make a new
daemon wait for the guardian of the one before, and ``strays`` finds what has left the group of its instance.
"""
