"""A page with sliders for alpha, L, kappa, beta: `replicadnn explore` (extra ``[explore]``)."""
