"""Engine of broken replica symmetry: minimisation, levels, curve, certificate."""
