"""The equations of the article: a neuron averaged in the interaction of its own perceptron."""
