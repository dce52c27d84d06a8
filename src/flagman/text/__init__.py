"""Words and the values that they mean: spans, names of signals, how others' words are shown.

It imports nothing of flagman but its exceptions and types.
"""
