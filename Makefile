# Two commands do everything on a fresh machine with Python 3.11 and make: `make sweep` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Torch's threads sleep while they wait: two test processes share the cores.
PYTEST := OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest
PORT ?= 5000
HOST = 127.0.0.1

.PHONY: help setup sweep ui server test soak bench zoo breakeven deploy peers lint format clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	  || { echo "prunelab needs Python 3.10 to 3.13; name one with: make PYTHON=python3.11 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (torch is large: this takes a few minutes, once)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

setup: $(READY)  ## create .venv and install, once

sweep: $(READY)  ## the published report, end to end
	$(BIN)/prunelab experiment=report

ui: $(READY)  ## the MLflow UI on 127.0.0.1, opened on the comparison: make ui [PORT=5001]
	$(BIN)/prunelab-ui --port $(PORT)

server: $(READY)  ## an MLflow server for a team: make server DATABASE=postgresql://user@host/name
	@test -n "$(DATABASE)" || { echo "usage: make server DATABASE=postgresql://user@host/name [PORT=5000]" \
	  "[WORKERS=4] [HOST=0.0.0.0 USERS=file ALLOWED_HOSTS=name:port,...]"; exit 2; }
	$(BIN)/python -m prunelab.cli.server --database "$(DATABASE)" --host $(HOST) --port $(PORT) \
	  $(if $(WORKERS),--workers $(WORKERS)) $(if $(USERS),--users '$(USERS)') $(if $(ALLOWED_HOSTS),--allowed-hosts '$(ALLOWED_HOSTS)')

test: $(READY)  ## the whole test suite
	$(PYTEST) --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

soak: $(READY)  ## the long versions: 20 starts of 8 workers on a fresh store, 20 kills at random moments
	PRUNELAB_ROUNDS=20 $(PYTEST) tests/sweep/test_parallel.py tests/sweep/test_interruption.py

bench: $(READY)  ## benchmarks, as ratios
	$(BIN)/python -m benchmarks

zoo: $(READY)  ## structured pruning tried on every torchvision classifier: docs/zoo.md
	$(BIN)/python -m benchmarks.zoo --write

breakeven: $(READY)  ## from which sparsity on sparse products pay on this machine: docs/breakeven.md
	$(BIN)/python -m benchmarks.breakeven --write

deploy: $(READY)  ## size, accuracy and time of the report's network with 80% of its neurons removed, in int8
	$(BIN)/python -m benchmarks.deploy $(ARGUMENTS)

peers: $(READY)  ## Torch-Pruning on the same networks: docs/peers.md: make peers [ARGUMENTS='mlp --seeds 5']
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[peers]'
	$(BIN)/python -m benchmarks.peers --write $(ARGUMENTS)

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and caches; data and the store stay
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
