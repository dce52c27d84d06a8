"""Talking to the service manager: notifications, and the units that it reads.

It imports the configuration, and what that imports.
"""
