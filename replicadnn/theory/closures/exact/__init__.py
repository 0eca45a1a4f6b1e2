"""Exact neurons: every neuron is summed over together with its own perceptron."""
