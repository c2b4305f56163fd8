"""Networks: built, loaded, saved. They are ordinary modules that torch.export can trace."""
