"""Training with Lightning, and the baselines that all jobs of a sweep share."""
