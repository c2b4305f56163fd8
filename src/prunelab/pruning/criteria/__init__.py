"""Criteria: the saliency of each weight or unit. Those with the lowest saliency are removed first.

A criterion is a function `criterion(network, graph, calibration)`. It gets the dense network in evaluation mode, its
graph and the calibration images, and must not change the network.

A criterion for weights (granularities weight, n_m, block) returns a dict with an entry for each layer of
`graph.prunable`: the name of its weight, and a tensor of the weight's shape. A criterion for units returns one tensor
[units]. A method's YAML file names its criterion: `magnitude` is looked up in `weight` or `neuron` of this package,
depending on the granularity; `my_package.my_criterion` is imported from anywhere.
"""
