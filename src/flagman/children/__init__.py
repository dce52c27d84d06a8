"""Processes that flagman starts or signals: how they begin, what they say, how they end.

May import: engine, text, exceptions, types, version.
"""
