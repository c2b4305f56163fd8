"""A table of a network's layers, as in figure 3 of the published report."""

from __future__ import annotations

from math import prod

from rich.table import Table

from prunelab.graph.graph import Graph


def summary(graph: Graph) -> Table:
    """The layers in execution order, with outputs, positions (output values per channel) and parameters."""
    table = Table(title="Network", title_justify="left", show_footer=True)
    total = sum(prod(graph.shapes[name]) for name in graph.parameters)
    table.add_column("layer", footer="total")
    table.add_column("kind")
    table.add_column("outputs", justify="right")
    table.add_column("positions", justify="right")
    table.add_column("parameters", footer=f"{total:,}", justify="right")
    for layer in graph.layers:
        weight = graph.shapes[layer.weight]
        parameters = prod(weight) + (prod(graph.shapes[layer.bias]) if layer.bias else 0)
        outputs = weight[layer.outputs_dim]
        table.add_row(layer.name, layer.kind, f"{outputs:,}", f"{layer.positions:,}", f"{parameters:,}")
    return table
