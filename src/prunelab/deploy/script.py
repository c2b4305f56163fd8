"""The script that is written beside an exported file, which uses the file without prunelab.

Weights alone do not say what is computed with them: the script of a .safetensors file holds the network as a Python
function of torch's operators.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node

from prunelab.errors import ExportError
from prunelab.graph.exact import difference, is_exact
from prunelab.graph.surgery import tensors
from prunelab.graph.trace import first_line
from prunelab.network.saved import Card
from prunelab.quiet import quiet

BEGIN, END = "# The network.", "# End of the network."
"""The script for .safetensors files has the network's source between these lines."""
SHARED = "from prunelab.deploy.standalone.command import command, read_picture\n"
"""The line of both scripts in whose place the source of that module goes, from its first import on."""
SCALARS = (bool, int, float, str, type(None))
SYMBOLS: dict[Any, str] = {
    **{operator.add: "+", operator.sub: "-", operator.mul: "*"},
    **{operator.floordiv: "//", operator.mod: "%"},
}
"""Arithmetic on sizes."""
CHECKS = ("_assert", "sym_constrain", "_guards_fn")
"""Operators that only check sizes, which are left out."""


def script_of(network: nn.Module, card: Card, is_onnx: bool) -> tuple[str | None, str]:
    """The script for a file of this network; None, and why, if the network cannot be written as source."""
    place = files("prunelab.deploy.standalone")
    _, future, shared = (place / "command.py").read_text(encoding="utf-8").partition("import annotations\n\n")
    assert future
    name = "onnx_file.py" if is_onnx else "safetensors_file.py"
    script = (place / name).read_text(encoding="utf-8").replace(SHARED, shared)
    if is_onnx:
        return script, ""
    try:
        source = function_source(network, card.shape)
    except ExportError as error:
        return None, f"no script: {error}"
    made: dict[str, Any] = {"torch": torch, "Tensor": Tensor}
    exec(source, made)
    images = torch.rand(64, *card.shape, generator=torch.Generator().manual_seed(2))
    if not is_exact(difference(made["network"](dict(network.state_dict()), images), network(images))):
        return None, "no script: written as source the network computes something else"
    before, _, rest = script.partition(BEGIN)
    return f"{before}{BEGIN}\n{source}\n\n\n{END}{rest.partition(END)[2]}", ""


def function_source(network: nn.Module, shape: tuple[int, int, int]) -> str:
    """The source of `network(w, images)`: `w` is its state dict, `images` float32 [n, *shape] for any n.

    Raises:
        ExportError: if torch.export cannot trace it for any n, or it has a part that cannot be written as source.
    """
    try:
        with torch.no_grad(), quiet("torch.export"), quiet("torch.__trace"):
            dynamic = ({0: Dim("n")},)
            program = torch.export.export(network, (torch.rand(2, *shape),), dynamic_shapes=dynamic, strict=False)
    except Exception as error:  # torch.export has many of its own
        raise ExportError(f"the network cannot be traced for batches of any size: {first_line(error)}") from error
    lines = _lines(program, _stored_names(network))
    return "\n".join(
        [
            "def network(w: dict[str, Tensor], images: Tensor) -> Tensor:",
            '    """Logits [n, classes] of images [n, channels, rows, columns]."""',
            "    aten = torch.ops.aten",
            *(f"    {line}" for line in lines),
        ]
    )


def _lines(program: ExportedProgram, stored: Mapping[str, str]) -> list[str]:
    inputs = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
    names: dict[Node, str] = {}
    lines: list[str] = []
    for node in program.graph.nodes:
        if node.op == "placeholder":
            spec = inputs[node.name]
            if spec.kind is InputKind.USER_INPUT:
                names[node] = "images"
            elif spec.target in stored:
                names[node] = f"w[{stored[spec.target]!r}]"
            else:  # a constant of the class's own
                names[node] = _constant(program.constants.get(spec.target), spec.target)
        elif node.op == "output":
            (found,) = node.args[0]
            lines.append(f"return {_written(found, names)}")
        elif any(check in str(node.target) for check in CHECKS):
            continue
        elif node.op == "call_function":
            names[node] = node.name
            lines.append(f"{node.name} = {_call(node, names)}")
        else:
            raise ExportError(f"the network has a part that cannot be written as source: {node.op} {node.target}")
    return lines


def _call(node: Node, names: Mapping[Node, str]) -> str:
    arguments = [_written(argument, names) for argument in node.args]
    arguments += [f"{key}={_written(value, names)}" for key, value in node.kwargs.items()]
    target: Any = node.target
    if target is operator.getitem:
        return f"{arguments[0]}[{arguments[1]}]"
    if isinstance(target, torch._ops.OpOverload) and target.namespace == "aten":
        return f"{target}({', '.join(arguments)})"
    if target in SYMBOLS:
        return f"{arguments[0]} {SYMBOLS[target]} {arguments[1]}"
    raise ExportError(f"the network has an operator that cannot be written as source: {target}")


def _written(value: Any, names: Mapping[Node, str]) -> str:
    if isinstance(value, Node):
        return names[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(_written(each, names) for each in value)}]"
    if isinstance(value, torch.device):
        return "images.device"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    if isinstance(value, SCALARS):
        return repr(value)
    if isinstance(value, torch.dtype | torch.layout | torch.memory_format):
        return str(value)
    raise ExportError(f"the network has a value that cannot be written as source: {value!r}")


def _constant(value: Any, name: str) -> str:
    if not isinstance(value, Tensor) or value.numel() > 64:
        raise ExportError(f"the network holds {name} outside its state dict: it cannot be written as source")
    return f"torch.tensor({value.tolist()!r}, dtype={value.dtype})"


def _stored_names(network: nn.Module) -> dict[str, str]:
    """For each name of a tensor in the state dict, the one under which the file holds it, shared ones once."""
    state = network.state_dict(keep_vars=True)
    held = {id(value): name for name, value in reversed(list(tensors(network))) if name in state}
    return {name: held[id(value)] for name, value in state.items() if id(value) in held}
