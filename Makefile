# make demo   sets everything up and runs the main job on the bundled sample
# make test   sets up what is missing and runs the tests that every change must pass
# make test-slow  runs the others: real servers, the browser, kills, planted truth in full
# make check  ruff, mypy strict, import-linter, and the site of docs/
# make bench  measures the published figures anew, side by side with other tools, and fails if a ratio has fallen
# make docs   builds the site of docs/ into site/; a dead link fails
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXPORT_READY := $(VENV)/.ready-export
# The demo's readers answer from a recording; `tercet demo --fresh` needs qwen2.5-coder-0.5b and qwen2.5-coder-1.5b too.
DEMO_MODELS := all-minilm-l6-v2
TEST_MODELS := all-minilm-l6-v2 qwen2.5-coder-0.5b smollm2-135m

# Your own copies of published corpora (pubmedqa/, evidence_inference/ ...), which some tests and the benchmarks read. What
# is not there is not tested: `make test DATA=FOLDER` says where it is, and a test that is skipped says what it misses.
DATA ?= ../shared/data
test test-slow bench: export TERCET_DATA := $(wildcard $(abspath $(DATA)))

# Two tests at a time, and a file's tests one after the other: they share servers and runs. Files in their order, so that
# what takes long comes before many short ones. Idle threads do not spin. A process that dies ends the run, and its test is
# named: with a new one in its place, pytest-xdist never ends. What Python compiles is kept, whatever the environment says:
# the tests start hundreds of processes, each of which would compile the same modules again.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart=0

.PHONY: setup models demo test test-slow test-models export-libraries check docs bench published readme clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

models: $(READY)
	$(BIN)/tercet models fetch $(DEMO_MODELS)

demo: models
	$(BIN)/tercet demo

test: test-models
	$(PYTEST) -m "not slow"

test-slow: test-models export-libraries
	$(PYTEST) -m slow

# Of other programs, which read what Tercet exports; only these tests need them.
export-libraries: $(EXPORT_READY)

$(EXPORT_READY): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[export]'
	touch $@

test-models: $(READY)
	$(BIN)/tercet models fetch $(TEST_MODELS)

check: $(READY) docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs . site

# Measures every figure anew below build/, compares the ratios with the published ones, and publishes the new figures if
# none has fallen by more than a tenth; else it ends with exit code 1 and names the ratio. Other tools are installed into
# environments of their own the first time. For an hour, on a machine with nothing else to do.
# CHROMA=FOLDER, a copy of the repository of Chroma's chunking_evaluation, measures that tool too.
BENCH := build/bench
# QUICK=1 goes through every part in minutes, on very little, to see that all of them work. It publishes nothing.
QUICK ?=
CHROMA ?=
bench: $(READY)
	rm -rf $(BENCH) && mkdir -p $(BENCH)
	$(BIN)/python -m tests.benchmarks.votes --pubmedqa $(DATA)/pubmedqa $(if $(QUICK),--questions 2) --save $(BENCH)/votes
	$(BIN)/python -m tests.benchmarks.votes --pubmedqa $(DATA)/pubmedqa --memory $(if $(QUICK),--questions 2) --save $(BENCH)/memory
	$(BIN)/python -m tests.benchmarks.remote $(if $(QUICK),--questions 100 --latency 2) --save $(BENCH)/remote
	$(BIN)/python -m tests.benchmarks.sweep $(if $(QUICK),--documents 4 --small) --save $(BENCH)/sweep
	$(BIN)/python -m tests.benchmarks.peers --data $(DATA)/evidence_inference --grid '4 cells' --grid '36 cells' $(if $(QUICK),--documents 2 --questions 20,--rounds 2) $(if $(CHROMA),--chroma $(CHROMA)) --save $(BENCH)/peers
	$(BIN)/python -m tests.benchmarks.scale $(if $(QUICK),--documents 200 --documents 400 --questions 100 --embedded 50) --save $(BENCH)/scale
	$(BIN)/python -m tests.benchmarks.gate $(BENCH) results/published $(if $(QUICK),--quick)

published: $(READY)
	$(BIN)/python -m flows.run.published

readme: $(READY)
	$(BIN)/python -m flows.cli.readme

clean:
	rm -rf $(VENV) runs site build dist *.egg-info
