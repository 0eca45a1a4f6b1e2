"""The samplers, one a file: how a network moves."""
