"""Words and the values that they mean: spans, names of signals, how others' words are shown.

May import: exceptions, types, version.
"""
