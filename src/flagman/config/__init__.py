"""What one run is told to do: the settings, the options and keys that set them, the file that has these keys.

It imports actions, the daemon, triggers, and what those import.
"""
