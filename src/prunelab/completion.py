"""Tab completion: Hydra's, extended to values after a comma and to the other commands."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.metadata import distribution

FUNCTION = """
prunelab_completion()
{
    local word="${COMP_WORDS[COMP_CWORD]}" asked="$1" choices
    if [[ "$1" == prunelab-store && COMP_CWORD -gt 1 && "${COMP_WORDS[1]}" != -* ]]; then
        asked="$1 ${COMP_WORDS[1]}"
    fi
    if [[ "$word" == -* ]]; then
        choices=$($asked --help 2> /dev/null | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u)
    elif [[ "$1" == prunelab ]]; then
        hydra_bash_completion
        return
    elif [[ "$1" == prunelab-store && COMP_CWORD -eq 1 ]]; then
        choices=$($1 --help 2> /dev/null | grep -oEm 1 '[a-z]+([|][a-z]+)+' | tr '|' ' ')
    else
        choices=$(COMP_LINE="prunelab $word" prunelab -sc query=bash 2> /dev/null)
    fi
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
}
complete -o nospace -o default -F prunelab_completion """
"""For bash: options of a command from its `--help`; keys and their values from prunelab, where Hydra completes them."""


def complete(arguments: list[str], hydra: Callable[[], None]) -> None:
    """Answer `-sc install=...` or `-sc query=...`: let `hydra` do it, and add what it lacks."""
    if any(argument.startswith("query=") for argument in arguments):
        _query(os.environ.get("COMP_LINE", ""), hydra)
        return
    hydra()
    if {"install=bash", "install=zsh"} & set(arguments):
        commands = distribution("prunelab").entry_points.select(group="console_scripts")
        print(FUNCTION + " ".join(sorted(entry.name for entry in commands)))


def _query(line: str, hydra: Callable[[], None]) -> None:
    asked, key, earlier = simplified(line)
    os.environ["COMP_LINE"] = asked
    for option in ("--config-dir", "-cd"):  # options of one's own
        words = line.split()
        if option in words[:-1]:
            sys.argv[1:1] = [option, words[words.index(option) + 1]]
    printed = io.StringIO()
    with redirect_stdout(printed):
        hydra()
    given = {f"{key}={value}" for value in earlier}
    before = f"{key}={','.join([*earlier, ''])}" if earlier else f"{key}="
    found = [word for word in printed.getvalue().split() if word not in given]
    print(" ".join(before + word.removeprefix(f"{key}=") if key else word for word in found))


def simplified(line: str) -> tuple[str, str, list[str]]:
    """(a line that Hydra can complete, the key of its last word, the values before the last comma of that word).

    Earlier words keep their first value; those that are quoted or call a function go. A last word without a comma is
    asked for as it is, and the key is then empty.
    """
    *words, last = line.split(" ")
    plain = [word.partition(",")[0] for word in words if not set(word) & set("'\"()[]{}")]
    key, _, values = last.partition("=")
    *earlier, half = values.split(",")
    if not earlier:
        return " ".join([*plain, last]), "", []
    return " ".join([*plain, f"{key}={half}"]), key, earlier
