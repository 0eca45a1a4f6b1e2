"""Compiled loops of the replica equations."""
