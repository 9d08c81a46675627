# Needs Python 3.11 or later and make; everything else is installed from the package index into a folder of its own.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# More workers than two cores: many tests wait for other processes. The real parts (gateway, identity provider, tracker,
# database) of one file of tests stay with one worker.
SPREAD := -n 3 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test test-parts test-crash test-long check bench bench-scale reference format lock wheel clean venv

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

demo: ## The main job on real parts: an attack, the alert, the response, the lift (ends by itself without a terminal)
	@PYTHON="$(PYTHON)" scripts/demo

test: venv ## Every test that needs no more than the package index
	$(PYTEST) $(SPREAD) -m "not parts and not bench and not slow"

test-parts: venv ## Tests against real parts from apt and npm (tests/parts/install.sh); a skip names what is missing
	$(PYTEST) -m parts -rs

test-crash: venv ## SIGKILL before and after every write of a playbook with every kind of step (under 10 minutes)
	$(PYTEST) -s tests/crash -k "every_write and not postgresql"

test-long: venv ## The slow ones too
	$(PYTEST) $(SPREAD) -m "not parts and not bench" --timeout 900
	$(BIN)/python -m tests.simulation --seeds 3000

check: venv ## Style, types, layers and the architecture tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q tests/architecture

bench: venv ## Measure against the floor and print the table
	@$(BIN)/python -m bench

bench-scale: venv ## Measure workers on one PostgreSQL against a bare loop and print the table (under 15 minutes)
	@$(BIN)/python -m bench.scale

reference: venv ## Write docs/reference/playbooks.md from the keys of the language and the playbooks that ship
	$(BIN)/python scripts/reference.py

format: venv ## Put the code in shape
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# The locks hold names, versions and hashes, and no address: they install from whatever index pip is set up to use.
# `--universal` resolves for every platform and Python at once, so that one file serves all.
LOCK := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" $(UPGRADE)

lock: ## Resolve requirements/*.txt anew (make lock UPGRADE=--upgrade for newer versions)
	@test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install -q uv; }
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) --group pyproject.toml:build -o requirements/build.txt
	$(LOCK) --extra demo --group build pyproject.toml -o requirements/demo.txt
	$(LOCK) --extra dev --group build pyproject.toml -o requirements/dev.txt

wheel: venv ## Build the wheel into dist/, without the network
	$(BIN)/python -m hatchling build -t wheel

clean: ## Remove what was made, environments included
	rm -rf .venv .venv-demo .venv-lock .venv*.lock .venv*.log .parts dist build .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@$(PYTHON) scripts/venv.py .venv requirements/dev.txt --project
