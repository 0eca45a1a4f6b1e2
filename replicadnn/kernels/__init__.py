"""Compiled inner loops: numbers and arrays in, numbers out; no objects, no input or output."""
