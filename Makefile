# Everything here sets itself up: Python 3.11 or newer and git are all a machine needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
HISTORIES ?= 5000

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench soak crds lock wheel clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## The main job on this machine: a real API server, the operator, a tenant, a change
	$(BIN)/python -m demo

test: $(STAMP) lint ## Everything: lint, types, contracts, and all tests on a real API server
	$(BIN)/python -m pytest -n 2 --dist loadscope

lint: $(STAMP) ## Style, types and import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) ## Measure plan and apply, and write docs/benchmarks.md
	$(BIN)/python -m tests.bench

soak: $(STAMP) ## Hours: more histories, every kill point on a real API server, every listing x fault, all real data
	HISTORIES=$(HISTORIES) KILL_POINTS=all FAULTS=all FULL=1 $(BIN)/python -m pytest -n 2 tests/property \
		tests/sandbox/test_listing_faults.py tests/e2e/test_kill_matrix.py tests/e2e/test_two_operators.py \
		tests/e2e/test_foreign_university.py tests/e2e/test_foreign_upload.py

crds: ## Copy the CRDs into the chart
	cp crds/*.yaml charts/engage-sync/files/

wheel: $(STAMP) ## Build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

lock: ## Resolve the dependencies anew (needs uv); no registry address is written
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --quiet --upgrade -o requirements/runtime.txt
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --quiet --upgrade -o requirements/dev.txt

clean: ## Remove what the other targets made here (not the cached control plane)
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "engage-sync needs Python 3.11 or newer; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
