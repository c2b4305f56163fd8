"""Recoveries: what repairs a pruned network before it is evaluated, from a least-squares refit to fine-tuning."""
