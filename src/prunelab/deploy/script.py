"""The script that is written beside an exported file, which uses the file without prunelab.

Weights alone do not say what is computed with them: the script of a .safetensors file holds the network as a Python
function of torch's operators.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.export.graph_signature import InputKind
from torch.fx import Graph

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
CHECKS = ("_assert", "sym_constrain", "_guards_fn")
"""Parts that only check sizes, which are left out."""
GLOBALS = {"NoneType", "device", "fx_pytree", "inf", "nan", "pytree", "torch"}
"""The names that torch's own code for a graph of ATen operators may refer to."""
FORGETTING = re.compile(r";  \w+( = \w+)* = None$")
"""What torch writes behind a line to free what is not needed any more."""
SIGNATURE = '''def network(w: dict[str, Tensor], images: Tensor) -> Tensor:
    """Logits [n, classes] of images [n, channels, rows, columns]."""
    inf, nan = float("inf"), float("nan")'''


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
    except Exception as error:  # torch.export raises many types of its own
        raise ExportError(f"the network cannot be traced for batches of any size: {first_line(error)}") from error
    graph, stored = program.graph_module.graph, _stored_names(network)
    used = {node.name for node in graph.nodes if node.users}
    inputs = {}
    for spec in program.graph_signature.input_specs:
        if spec.arg.name not in used:
            continue
        if spec.kind is InputKind.USER_INPUT:
            inputs[spec.arg.name] = "images"
        elif spec.target in stored:
            inputs[spec.arg.name] = f"w[{stored[spec.target]!r}]"
        else:  # a constant of the class's own
            inputs[spec.arg.name] = _constant(program.constants.get(spec.target), spec.target)
    lines = [f"    {name} = {value}" for name, value in inputs.items() if name != value]
    return "\n".join([SIGNATURE, *lines, *_body(graph)])


def _body(graph: Graph) -> list[str]:
    """The lines that torch writes for a graph, without those that check sizes or forget values."""
    for node in list(graph.nodes):
        if any(check in str(node.target) for check in CHECKS):
            graph.erase_node(node)
        elif node.op == "output":
            ((found,),) = node.args
            node.args = (found,)  # no tuple
        elif getattr(node.target, "namespace", "aten") != "aten" or node.op not in ("placeholder", "call_function"):
            raise ExportError(f"the network has a part that cannot be written as source: {node.op} {node.target}")
    code = graph.python_code("self")
    if unknown := sorted(code.globals.keys() - GLOBALS):
        raise ExportError(f"the network has operators that cannot be written as source: {', '.join(unknown)}")
    _, _, body = code.src.partition("def forward(")
    lines = [FORGETTING.sub("", line).replace("device(type='cpu')", "images.device") for line in body.splitlines()[1:]]
    return [line for line in lines if line.strip()]


def _constant(value: Any, name: str) -> str:
    if not isinstance(value, Tensor) or value.numel() > 64:
        raise ExportError(f"the network holds {name} outside its state dict: it cannot be written as source")
    return f"torch.tensor({value.tolist()!r}, dtype={value.dtype})"


def _stored_names(network: nn.Module) -> dict[str, str]:
    """For each name of a tensor in the state dict, the one under which the file holds it, shared ones once."""
    state = network.state_dict(keep_vars=True)
    held = {id(value): name for name, value in reversed(list(tensors(network))) if name in state}
    return {name: held[id(value)] for name, value in state.items() if id(value) in held}
