"""Saliency of each unit: one small function per score.

A score is called with the dense network and a `Calibration` (some training images) and returns one tensor per hidden
layer, in order: [out, in] for weights, [out] for neurons; the higher, the more a unit is worth. It changes nothing. A
method's YAML file names it: `magnitude` is looked up in the module of the method's granularity here,
`my_package.my_score` anywhere.
"""
