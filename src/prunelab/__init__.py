"""Compare neural-network pruning methods: train once, prune many ways, measure, and see them side by side."""

import warnings
from importlib.metadata import version

# Our launcher configs are named as the plugins' schemas are, which is what makes `hydra/launcher=joblib` work.
warnings.filterwarnings("ignore", message=r"[\s\S]*automatic_schema_matching")

__version__ = version("prunelab")
