"""Networks that are really trained."""
