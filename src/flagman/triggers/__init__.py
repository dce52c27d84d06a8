"""What raises flags, one kind of trigger in a module.

It imports the engine, and what that imports.
"""
