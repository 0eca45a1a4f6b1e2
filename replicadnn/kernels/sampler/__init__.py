"""Compiled sweeps of the Monte Carlo sampler."""
