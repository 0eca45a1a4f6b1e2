"""Engine of the replica-symmetric solutions: search, Newton, curve."""
