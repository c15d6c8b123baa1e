# One recipe a target; every target sets up what it needs first.
SHELL := /bin/bash
PYTHON := .venv/bin/python
STAMP := .venv/.set-up

.PHONY: setup test test-fast lint docs bench identification tissue events demo lock clean help

setup: $(STAMP)  ## make .venv from the hashed lock, install calcigraph editable

$(STAMP): requirements.lock pyproject.toml setup.sh
	@bash setup.sh
	@touch $(STAMP)

test: $(STAMP)  ## all tests, on the embedded engine and on a real Neo4j
	$(PYTHON) -m pytest

test-fast: $(STAMP)  ## the tests that need no Neo4j and little time, two at a time
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PYTHON) -m pytest -m "not neo4j and not slow" -n 2 --dist worksteal

lint: $(STAMP)  ## style, imports, types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

docs: $(STAMP)  ## the website of docs/ and docstrings, offline, into .cache/site; fails for what is broken or undocumented
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

bench: $(STAMP)  ## every benchmark: ratios against named baselines, measured in the same run
	@for file in $(filter-out benchmarks/page% benchmarks/axes% benchmarks/tissue% benchmarks/event% benchmarks/waves% benchmarks/own% benchmarks/mixed%,$(wildcard benchmarks/*.py)); do echo "== $$file"; $(PYTHON) $$file || exit 1; done

identification: $(STAMP)  ## measure all that docs/identification.md says anew, and write its tables and pictures
	$(PYTHON) benchmarks/page.py

tissue: $(STAMP)  ## fit the recordings of $$CALCIGRAPH_TEST_DATA/lymph_gland, and write tables and picture of docs/tissue.md
	$(PYTHON) benchmarks/tissue.py

events: $(STAMP)  ## measure events and waves in simulations and in $$CALCIGRAPH_TEST_DATA/lymph_gland, and write the tables of docs/events.md
	$(PYTHON) benchmarks/events.py --csv docs/events
	$(PYTHON) benchmarks/waves.py --csv docs/events
	$(PYTHON) benchmarks/own_share.py
	$(PYTHON) benchmarks/events_tissue.py
	$(PYTHON) benchmarks/events_page.py

demo: $(STAMP)  ## the whole main job on two synthetic cultures
	.venv/bin/calcigraph --workspace calcigraph-demo demo

lock:  ## resolve pyproject.toml anew into the hashed, universal lock
	$$(command -v uv || echo .venv/bin/uv) pip compile pyproject.toml --all-extras --group test --group bench --group lint --group docs --universal \
		--python-version 3.11 --generate-hashes --no-header --quiet --output-file requirements.lock

clean:  ## remove what setup and test made
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
