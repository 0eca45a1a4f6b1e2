"""Runs: independent samples advanced and measured together, alone or as a study."""
