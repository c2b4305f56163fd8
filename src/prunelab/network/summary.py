"""The table of a network's layers, as in the report's figure 3."""

from __future__ import annotations

from rich.table import Table
from torch import nn

from prunelab.network.layers import linear_layers


def summary(network: nn.Module) -> Table:
    """Layer, output shape and number of parameters, and their total."""
    table = Table(title="Network", title_justify="left", show_footer=True)
    total = sum(parameter.numel() for parameter in network.parameters())
    table.add_column("layer", footer="total")
    table.add_column("output shape")
    table.add_column("parameters", footer=f"{total:,}", justify="right")
    for number, layer in enumerate(linear_layers(network), start=1):
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        table.add_row(f"linear_{number}", f"(n, {layer.out_features})", f"{parameters:,}")
    return table
