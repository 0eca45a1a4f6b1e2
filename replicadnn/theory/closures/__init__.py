"""Equations that an engine can solve, one package a treatment of the neurons."""
