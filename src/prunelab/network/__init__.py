"""The networks that are pruned: ordinary modules with `nn.Linear` layers."""
