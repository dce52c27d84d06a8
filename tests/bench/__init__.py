"""Measures flagman beside the floor of its language and beside its peers, all in one run: ``python -m bench``."""
