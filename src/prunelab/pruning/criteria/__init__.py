"""Criteria: how much each weight, or each unit, is worth.

A criterion is called as `criterion(network, graph, calibration)` with the dense network in evaluation mode, its graph
and some training images. The higher the saliency, the more a weight or unit is worth. It changes nothing.

Criteria of weights (granularities weight, n_m, block) return a dict: for each of `graph.prunable` the name of its
weight and a tensor of the weight's shape. Criteria of neurons return one tensor [graph.units]. A method's YAML file
names one: `magnitude` is looked up in the module of the method's granularity here, `my_package.my_criterion` anywhere.
"""
