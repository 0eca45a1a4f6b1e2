"""Monte Carlo sampling of finite-width networks of sign neurons."""
