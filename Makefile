# Two commands do everything on a fresh machine with Python 3.10 to 3.13 and make: `make sweep` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
# uv installs no bytecode. If Python may not cache it, every process compiles torch and MLflow again: about 17 s.
unexport PYTHONDONTWRITEBYTECODE
SWEEP := .venv/.sweep
READY := .venv/.ready
# uv is several times as fast as pip. Where uv is not available, and with `make UV= ...`, pip is used.
UV ?= uv
# The versions in constraints.txt are for Python 3.11 to 3.13; for 3.10 the newest that fit are taken.
# What a sweep uses besides the package: parallel jobs, ONNX Runtime, Optuna's search.
SWEEP_EXTRAS := joblib,onnx,search
# Torch's threads sleep while they wait: two test processes share the cores.
PYTEST := OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest
WORKERS_OF_TESTS := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
SLOW := slow or browser or cluster
PORT ?= 5000
HOST = 127.0.0.1
ROUNDS = 10
COMMA := ,

.PHONY: help setup sweep ui server test test-slow test-all soak bench zoo breakeven deploy peers docs lint format clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 11

# $(call install,extras): into .venv, which is made if it is not there
define install
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	  || { echo "prunelab needs Python 3.10 to 3.13; name one with: make PYTHON=python3.11 ..."; exit 1; }
	$(if $(filter command,$(origin PYTHON)),@test ! -x $(BIN)/python || test "$$($(BIN)/python -V)" = "$$($(PYTHON) -V)" \
	  || { echo ".venv has $$($(BIN)/python -V) instead of $$($(PYTHON) -V): make clean and repeat this"; exit 1; })
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv \
	  || { rm -rf .venv; echo "Python has no venv module; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "installing into .venv (torch is large: this takes a few minutes, once; smaller: docs/installing.md)"
	@pinned=$$($(BIN)/python -c 'import sys; print("-c constraints.txt" * (sys.version_info >= (3, 11)))'); \
	pip="$(BIN)/python -m pip install --quiet --disable-pip-version-check $$pinned"; \
	$(if $(UV),$$pip $(UV) && $(BIN)/uv pip install --quiet --python $(BIN)/python $$pinned -e '.[$(1)]' \
	  || { echo "uv failed; trying pip"; false; } ||) $$pip -e '.[$(1)]'
	@touch $(2)
endef

$(SWEEP): pyproject.toml constraints.txt
	$(call install,$(SWEEP_EXTRAS),$@)

$(READY): pyproject.toml constraints.txt
	$(call install,dev,$(SWEEP) $@)

setup: $(READY)  ## create .venv and install all extras, once

sweep: $(SWEEP)  ## the published report, end to end
	$(BIN)/prunelab experiment=report

ui: $(SWEEP)  ## the MLflow UI on 127.0.0.1, opened on the comparison: make ui [PORT=5001]
	$(BIN)/prunelab-ui --port $(PORT)

server: $(READY)  ## an MLflow server for a team: make server DATABASE=postgresql://user@host/name
	@test -n "$(DATABASE)" || { echo "usage: make server DATABASE=postgresql://user@host/name [PORT=5000]" \
	  "[WORKERS=4] [HOST=0.0.0.0 USERS=file ALLOWED_HOSTS=name:port,...]"; exit 2; }
	$(BIN)/python -m prunelab.cli.server --database "$(DATABASE)" --host $(HOST) --port $(PORT) \
	  $(if $(WORKERS),--workers $(WORKERS)) $(if $(USERS),--users '$(USERS)') $(if $(ALLOWED_HOSTS),--allowed-hosts '$(ALLOWED_HOSTS)')

test: $(READY)  ## the tests that are not slow: some minutes on 2 cores
	$(PYTEST) $(WORKERS_OF_TESTS) -m "not ($(SLOW))"

test-slow: $(READY)  ## the others: marked slow, browser (needs Chromium) or cluster (servers, Ray)
	$(PYTEST) $(WORKERS_OF_TESTS) -m "$(SLOW)"

test-all: $(READY)  ## every test once: test and test-slow
	$(PYTEST) $(WORKERS_OF_TESTS)

soak: $(READY)  ## reliability tests, ROUNDS=10 each: 8 workers starting, kills, server outages, full disks, moves
	PRUNELAB_ROUNDS=$(ROUNDS) $(PYTEST) tests/sweep/test_parallel.py tests/sweep/test_interruption.py tests/sweep/test_soak.py

bench: $(READY)  ## benchmarks, as ratios
	$(BIN)/python -m benchmarks

zoo: $(READY)  ## structured pruning tried on every torchvision classifier: docs/zoo.md
	$(BIN)/python -m benchmarks.zoo --write

breakeven: $(READY)  ## the sparsity above which sparse products are faster on this machine: docs/breakeven.md
	$(BIN)/python -m benchmarks.breakeven --write

deploy: $(READY)  ## size, accuracy and time of the published network with 80% of its neurons removed, in int8
	$(BIN)/python -m benchmarks.deploy $(ARGUMENTS)

.venv/.peers: $(READY)
	$(call install,dev$(COMMA)peers,$@)

peers: .venv/.peers  ## Torch-Pruning on the same networks: docs/peers.md: make peers [ARGUMENTS='mlp --seeds 5']
	$(BIN)/python -m benchmarks.peers --write $(ARGUMENTS)

docs: $(READY)  ## the documentation as a site, in site/; strict: a broken link or reference fails
	$(BIN)/mkdocs build --strict

lint: $(READY)  ## ruff, mypy, import contracts, spelling, file lengths
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	git ls-files -z --cached --others --exclude-standard | xargs -0 $(BIN)/codespell
	$(BIN)/python .ci/check_lengths.py

format: $(READY)  ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and caches; data and the store stay
	rm -rf .venv build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
