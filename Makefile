# make demo   sets everything up and runs the main job on the bundled sample
# make test   sets up what is missing and runs the tests
# make check  ruff, mypy strict, import-linter, and the site of docs/
# make docs   builds the site of docs/ into site/; a dead link fails
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MODELS := all-minilm-l6-v2 qwen2.5-coder-0.5b
DEMO_MODELS := $(MODELS) qwen2.5-coder-1.5b
TEST_MODELS := $(MODELS) smollm2-135m

PUBMEDQA ?= ../shared/data/pubmedqa

.PHONY: setup models demo test check docs bench readme clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

models: $(READY)
	$(BIN)/tercet models fetch $(DEMO_MODELS)

demo: models
	$(BIN)/tercet demo

test: $(READY)
	$(BIN)/tercet models fetch $(TEST_MODELS)
	$(BIN)/python -m pytest

check: $(READY) docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs . site

bench: $(READY)
	$(BIN)/python -m tests.benchmarks.votes --pubmedqa $(PUBMEDQA) --save results/published/votes
	$(BIN)/python -m tests.benchmarks.votes --pubmedqa $(PUBMEDQA) --memory --save results/published/memory
	$(BIN)/python -m tests.benchmarks.remote --save results/published/remote
	$(BIN)/python -m tests.benchmarks.sweep --save results/published/sweep

readme: $(READY)
	$(BIN)/python -m flows.cli.readme

clean:
	rm -rf $(VENV) runs site build dist *.egg-info
