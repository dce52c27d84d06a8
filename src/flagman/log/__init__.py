"""The log of the command, and the standard streams that it and the actions write to.

It imports the configuration, and what that imports.
"""
