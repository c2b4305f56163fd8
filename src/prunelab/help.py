"""`prunelab --help`: the options, read from `conf/`, and the other commands, read from the installed package.

Hydra's own help takes more than a second to list the groups when several launchers are installed.
"""

from __future__ import annotations

import ast
import re
import shutil
import textwrap
from importlib.metadata import distribution
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path

import yaml

import prunelab
from prunelab.logs import FLAGS

EXAMPLES = {
    "prunelab experiment=report": "the published report; runs as a sweep without -m",
    "prunelab -m method=weight,neuron percentage=0,20,50,90": "a sweep: all combinations",
    "prunelab -m 'method=glob(neuron*)' 'percentage=range(0,100,20)'": "patterns, ranges; quote the parentheses",
    "prunelab data=digits model=mlp_small percentage=80": "one job, in seconds",
}
OPTIONS = {
    "-m, --multirun": "sweep over keys with several values: a,b,c or 'percentage=range(0,100,20)', in quotes",
    **FLAGS,
    "--version": "prunelab's version",
    "--cfg job": "every key and its value, without running anything",
    "--config-dir DIR": "YAML files of your own in DIR/model/, DIR/method/ ... (docs/own_network.md)",
    "-sc install=bash": 'tab completion, of options too: eval "$(prunelab -sc install=bash)"',
    "--hydra-help": "Hydra's own options",
}
KEYS = {
    "percentage_of": "units, parameters or multiply_adds: what the percentage counts",
    "method.exclude": "layers not to prune, by name or pattern: [conv1,stage1.*]",
    "trainer.arithmetic": "portable: the same numbers on every x86-64 machine with AVX2; native: this one's fastest",
    "measure.int8": "true: quantize the network too, and measure that",
    "resume": "finish an interrupted sweep: last, or its name or run id",
}
DESCRIBED = ("recovery", "experiment")
"""Groups whose options need a description each."""


def help_text(conf: Path) -> str:
    """What `prunelab --help` prints, as wide as the terminal."""
    width = max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))
    defaults = _defaults(conf / "config.yaml")
    lists, described = [], []
    for group in _groups(conf):
        files = sorted((conf / group).glob("*.yaml"))
        marked = {file: file.stem + "*" * (defaults.get(group) == file.stem) for file in files}
        if group in DESCRIBED:
            entries = {marked[file]: _description(file) for file in files}
            described.append(f"{group}=\n{_columns(entries, width)}")
        else:
            lists.append((f"{group}=", "  ".join(marked.values())))
    parts = [
        "usage: prunelab [-m] [GROUP=OPTION ...] [KEY=VALUE ...]",
        textwrap.fill(str(prunelab.__doc__).partition("\n\n")[0], width),
        "examples:\n" + _columns(EXAMPLES, width),
        "groups, * is the default:\n" + _columns(dict(lists), width),
        *described,
        "keys often set (prunelab --cfg job shows all):\n" + _columns(KEYS, width),
        "options:\n" + _columns(OPTIONS, width),
        "other commands, each with a --help of its own:\n" + _columns(_commands(), width),
    ]
    return "\n\n".join(parts)


def _groups(conf: Path) -> list[str]:
    """The config groups, Hydra's own last."""
    found = {file.parent.relative_to(conf).as_posix() for file in conf.rglob("*/*.yaml")}
    return sorted(found - {"hydra/sweeper"}, key=lambda group: (group.startswith("hydra/"), group))


def _defaults(config: Path) -> dict[str, str]:
    listed = yaml.safe_load(config.read_text())["defaults"]
    return {group: option for entry in listed if isinstance(entry, dict) for group, option in entry.items()}


def _description(file: Path) -> str:
    """The first sentence of the comment that the file opens with."""
    words: list[str] = []
    for line in file.read_text().splitlines():
        text = line.lstrip("# ").strip()
        if not line.startswith("#") or not text:
            break
        if not text.startswith("@package"):
            words.append(text)
    return re.split(r"(?<=\.)(?<!et al\.) ", " ".join(words), maxsplit=1)[0]


def _commands() -> dict[str, str]:
    """The other console commands with the first line of their modules' docstrings; nothing is imported."""
    found = {}
    for entry in distribution("prunelab").entry_points.select(group="console_scripts"):
        if entry.module == "prunelab.app":
            continue
        spec = find_spec(entry.module)
        source = Path(spec.origin).read_text() if spec and spec.origin else ""
        docstring = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
        found[entry.name] = docstring.removeprefix(f"`{entry.name}`: ")
    return found


def _columns(entries: dict[str, str], width: int) -> str:
    """Two columns: what to write, and what it means."""
    left = max(map(len, entries), default=0) + 4
    lines = []
    for key, text in entries.items():
        wrapped = textwrap.wrap(text, width - left, break_on_hyphens=False) or [""]
        lines += [f"  {word:<{left - 2}}{part}".rstrip() for word, part in zip_longest([key], wrapped, fillvalue="")]
    return "\n".join(lines)
