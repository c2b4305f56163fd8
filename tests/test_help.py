"""`--help`, `--cfg job` and tab completion answer at once, and know every option there is."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
from importlib.metadata import distribution, version
from pathlib import Path

import pytest

from prunelab.app import separated
from prunelab.compose import compose_job
from prunelab.help import EXAMPLES, help_text
from prunelab.reading import CONF
from tests.conftest import Project

HEAVY = {"torch", "mlflow", "pytorch_lightning", "pandas", "matplotlib", "numpy", "sklearn", "torchvision", "ray"}


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--cfg", "job"], ["-sc", "query=bash"]])
def test_nothing_heavy_is_imported_to_answer(arguments: list[str], tmp_path: Path) -> None:
    probe = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('IMPORTED', *sys.modules, file=sys.stderr))\n"
        "from prunelab.app import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, *arguments],
        cwd=tmp_path,
        env={**os.environ, "COMP_LINE": "prunelab method=", "COMP_POINT": "16"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "method" in done.stdout
    imported = set(done.stderr.partition("IMPORTED")[2].split())
    assert "prunelab.app" in imported
    assert imported & HEAVY == set()
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_option_of_every_group_and_the_other_commands(project: Project) -> None:
    outcome = project.prunelab("--help")
    assert outcome.status == 0
    words = {word.rstrip("*") for word in outcome.output.split()}
    options = {file.stem for file in CONF.rglob("*/*.yaml")} - {"grid"}
    assert options <= words
    assert {f"{group.name}=" for group in CONF.iterdir() if group.is_dir() and group.name != "hydra"} <= words
    assert {entry.name for entry in distribution("prunelab").entry_points} <= words
    assert "weight*" in outcome.output


def test_a_new_file_in_a_group_is_in_the_help_with_its_first_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("defaults:\n  - recovery: nothing\n")
    (tmp_path / "recovery").mkdir()
    (tmp_path / "recovery" / "nothing.yaml").write_text(
        "# Leave it (Bare et al. 2020)\n# alone. Really.\nname: nothing\n"
    )
    (tmp_path / "recovery" / "bare.yaml").write_text("name: bare\n")
    lines = [line.strip() for line in help_text(tmp_path).splitlines()]
    assert "nothing*  Leave it (Bare et al. 2020) alone." in lines
    assert "bare" in lines


def test_the_examples_of_the_help_compose() -> None:
    for command in EXAMPLES:
        overrides = [word for word in shlex.split(command) if "=" in word and "(" not in word]
        compose_job([override.partition(",")[0] for override in overrides])


def test_the_help_fits_its_terminal(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in ("80", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        assert max(map(len, project.prunelab("--help").output.splitlines())) <= int(columns)


def test_the_version_is_prunelabs(project: Project) -> None:
    assert project.prunelab("--version").output == f"prunelab {version('prunelab')}\n"


def test_options_may_stand_anywhere() -> None:
    given = ["model=x", "-m", "a=1,2", "--config-dir", "mine", "--cfg", "job", "b=3", "--config-dir=y"]
    assert separated(given) == (
        ["-m", "--config-dir", "mine", "--cfg", "job", "--config-dir=y"],
        ["model=x", "a=1,2", "b=3"],
    )
    assert separated(["-sc", "query=bash"]) == (["-sc"], ["query=bash"])


def test_a_word_is_said_at_once_on_a_terminal_only() -> None:
    main, terminal = pty.openpty()
    command = [sys.executable, "-m", "prunelab", "percentage=101"]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, check=False)
    assert said.returncode == 1
    assert os.read(main, 100).startswith(b"prunelab: loading")
    os.close(main)
    os.close(terminal)
    quiet = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "loading" not in quiet.stderr + quiet.stdout


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("prunelab -m method=neuron_a", {"method=neuron_activation"}),
        ("prunelab -m method=weight,neuron_a", {"method=weight,neuron_activation"}),
        pytest.param(
            "prunelab -m method=weight,neuron percentage=0,50 recovery=none,fine",
            {"recovery=none,finetune"},
            marks=pytest.mark.slow,
        ),
        pytest.param("prunelab -m 'method=glob(*)' recovery=fine", {"recovery=finetune"}, marks=pytest.mark.slow),
        ("prunelab --config-dir mine model=ow", {"model=own"}),
        ("prunelab --h", {"--help", "--hydra-help"}),
        ("prunelab-report data=dig", {"data=digits"}),
        pytest.param("prunelab-report --l", {"--list"}, marks=pytest.mark.slow),
        ("prunelab-store re", {"relocate"}),
        pytest.param("prunelab-store delete --l", {"--leftovers"}, marks=pytest.mark.slow),
    ],
)
def test_tab_completion_offers_options(line: str, offered: set[str], tmp_path: Path) -> None:
    # What a person does: the completion installed in a bash, then a half-written command.
    for entry in distribution("prunelab").entry_points.select(group="console_scripts"):
        command = tmp_path / entry.name
        command.write_text(f"#!{sys.executable}\nfrom {entry.module} import {entry.attr}\n{entry.attr}()\n")
        command.chmod(0o755)
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "own.yaml").write_text("name: own\n")
    script = f"""
        eval "$(prunelab -sc install=bash)"
        COMP_LINE={shlex.quote(line)}; COMP_WORDS=($COMP_LINE)
        COMP_POINT=${{#COMP_LINE}}; COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        function=$(complete -p "${{COMP_WORDS[0]}}" | grep -oE -- "-F [a-z_]+" | cut -d " " -f 2)
        $function "${{COMP_WORDS[0]}}" "${{COMP_WORDS[COMP_CWORD]}}"
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.splitlines()[-1].split()) == offered
