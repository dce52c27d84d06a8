"""One measure in a module; each has a function ``measure(effort)`` that yields tables."""
