"""What one run is told to do: the settings, the options and keys that set them, the file that has these keys.

May import: daemon, actions, web, triggers, children, engine, text, exceptions, types, version.
"""
