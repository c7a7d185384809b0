# Verbs of the project. Each installs what it needs first; nothing outside .venv is touched.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# One more than there are cores: whoever waits for a server or a disk leaves its core to another.
JOBS   ?= auto
ARGS   ?=
# Compiled modules are kept whatever the machine says: every process that a test starts would compile them again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test soak mutants check format lint types imports notebooks lab texts docs pictures bench bench-full lock sbom clean

help:  ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(READY)  ## install the pinned dependencies into .venv

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "this Python has no venv module; installing the package python3-venv"; \
	  apt-get update -qq && apt-get install -y -qq python3-venv; }
	$(PYTHON) -m venv $(VENV)
	@# uv does in seconds what takes pip a minute; where it finds no index of its own, pip does it
	@awk '/^[^ ]/ {on = /^uv==/} on' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock 2>/dev/null || \
	  $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup  ## run the main job end to end; ARGS="…" is passed on
	$(BIN)/gateway demo $(ARGS)

test: setup  ## all tests
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

soak: setup  ## thousands of seeds and kills; SOAK_SEEDS, SOAK_KILLS, SOAK_SHOCKS, SOAK_EXAMPLES and SOAK_TRIALS set how many, SOAK_MINUTES how long
	$(BIN)/pytest -m soak -n $(JOBS) $(ARGS) tests

check: setup lint types imports notebooks test docs  ## format, lint, types, import contracts, notebooks, tests, documents

lint: setup  ## format check and ruff
	$(BIN)/ruff format --check gateway connectors tests tools
	$(BIN)/ruff check gateway connectors tests tools

types: setup  ## mypy, strict
	$(BIN)/mypy

imports: setup  ## import contracts
	$(BIN)/lint-imports

notebooks: setup  ## run the notebooks offline
	$(BIN)/pytest --nbmake -p no:cacheprovider --override-ini=testpaths=notebooks -n $(JOBS) notebooks

texts: setup  ## bring the Chinese catalogue up to date with the code, and compile it
	$(BIN)/python -m tests.support.catalogue

lab: setup  ## open Jupyter with the notebooks; it is installed into .venv where it is missing
	@$(BIN)/python -c 'import jupyterlab' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check jupyterlab
	$(BIN)/python -m jupyterlab --ServerApp.root_dir=notebooks $(ARGS)

docs: setup  ## write the reference from the code and build the documentation site into build/site
	$(BIN)/python -m tests.support.reference
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

pictures: setup  ## make the pictures of docs/pictures anew from a running demo; needs Debian's package chromium
	$(BIN)/python -m tests.support.pictures

mutants: setup  ## change one line at a time and see whether a test fails; ARGS="--seed 2 --count 200 --only evidence"
	$(BIN)/python -m tests.support.mutants --jobs 2 $(ARGS)

bench: setup  ## performance as ratios against a floor measured in the same run
	$(BIN)/python -m tests.bench $(ARGS)

bench-full: setup  ## bench with 10 M deliveries and a million waiting; takes half an hour and 10 GB
	$(BIN)/python -m tests.bench --full $(ARGS)

format: setup  ## format and sort imports
	$(BIN)/ruff check --fix --quiet --select I gateway connectors tests tools
	$(BIN)/ruff format gateway connectors tests tools

lock: setup  ## pin all dependencies with hashes, without index lines, for every supported Python: development, and what runs
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --python-version 3.11 --extra dev pyproject.toml --output-file requirements.lock $(ARGS)
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --python-version 3.11 --extra postgres --extra otel --constraints requirements.lock pyproject.toml \
	  --output-file requirements-runtime.lock $(ARGS)

sbom: setup  ## write the bill of materials (CycloneDX) to sbom.json, from what is installed
	$(BIN)/python tools/sbom.py > sbom.json

clean:  ## remove what the verbs made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
