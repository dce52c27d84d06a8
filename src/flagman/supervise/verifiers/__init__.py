"""Verifiers: how it is found out that a process is ready, and that it still works; one kind in a module.

May import: the rest of the room ``supervise`` but what uses it, and what that room may import.
"""
