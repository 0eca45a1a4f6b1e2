"""Many points at once: grids, their execution on any executor, and the store they end up in."""
