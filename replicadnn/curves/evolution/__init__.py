"""Gradient descent on all layers of a network of finite width: exact averages by state evolution.

* `network` - output of a deep network, its derivatives by the fields of the first layer
* `responses` - how what a pattern does to the weights comes back to its own fields
* `problem` - what is learned by what, from which start
* `theory` - the process of one pattern, sampled; `drawn` - descent on drawn data sets
* `steps`, `result` - numbers by step with their errors, the answer to `replicadnn.curves.descent`
"""
