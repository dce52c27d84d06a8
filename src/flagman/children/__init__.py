"""Processes that flagman starts or signals: how they begin, what they say, how they end.

It imports the engine, and what that imports.
"""
