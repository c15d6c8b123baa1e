# One recipe a target; every target sets up what it needs first.
SHELL := /bin/bash
PYTHON := .venv/bin/python
STAMP := .venv/.set-up

.PHONY: setup test test-fast lint docs bench soak power full fuzz audit speed speed-short scale identification tissue events forecast demo lock \
	clean help

setup: $(STAMP)  ## make .venv from the hashed lock, install calcigraph editable

$(STAMP): requirements.lock pyproject.toml setup.sh
	@bash setup.sh
	@touch $(STAMP)

test: $(STAMP)  ## all tests: those of the embedded engine two files at a time, then those on a real Neo4j
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PYTHON) -m pytest -m "not neo4j" -n 2 --dist loadfile
	$(PYTHON) -m pytest -m neo4j

test-fast: $(STAMP)  ## the tests that need no Neo4j and little time, two at a time
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PYTHON) -m pytest -m "not neo4j and not slow" -n 2 --dist worksteal

lint: $(STAMP)  ## style, imports, types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

docs: $(STAMP)  ## the website of docs/ and docstrings, offline, into .cache/site; fails for what is broken or undocumented
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

BENCH := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PYTHON)
# Pages have targets of their own; what speed.py measures, and what only serves others, is not run by itself.
NOT_BENCHED := $(addprefix benchmarks/,page% axes% tissue% event% waves% own% mixed% forecast% speed% growth% baseline% scale% stores% \
	timing% movies% cultures% denoise% whole_ingest% graph% many% startup% fit_time%)

bench: $(STAMP)  ## every benchmark, and at the end the table of speed beside its stored baseline
	@for file in $(filter-out $(NOT_BENCHED),$(wildcard benchmarks/*.py)); do echo "== $$file"; $(PYTHON) $$file || exit 1; done
	@$(BENCH) benchmarks/speed.py

BREAKING := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(PYTHON) -m

soak: $(STAMP)  ## kill -9 of every command that writes, 200 times: embedded engine, real Neo4j, movies on object storage
	$(BREAKING) breaking.kills --kills 200

power: $(STAMP)  ## cut the power 40 times while commands write, and right after; needs root, for a disk of its own
	$(BREAKING) breaking.power --rounds 40

full: $(STAMP)  ## full disks, used-up quotas and read-only disks at every stage of every command that writes
	$(BREAKING) breaking.refusals

fuzz: $(STAMP)  ## 2,000 damaged files and command lines, half of them of a new seed
	$(BREAKING) breaking.fuzz --mutants 2000

audit: $(STAMP)  ## licences of all locked packages, a bill of materials, the engine's pin; known holes where pip-audit is
	$(BREAKING) supply.audit
	@if command -v pip-audit >/dev/null; then \
		pip-audit --strict --requirement requirements.lock --require-hashes --disable-pip \
			|| { echo "pip-audit found holes, or could not ask for every package"; exit 1; }; \
		else echo "pip-audit is not installed: known holes were not asked for"; fi

speed: $(STAMP)  ## measure the table of speed and how time and memory grow, and write the tables and picture of docs/speed.md
	$(BENCH) benchmarks/growth.py
	$(BENCH) benchmarks/speed.py --page

speed-short: $(STAMP)  ## the rows of that table that can be begun within 8 minutes; the others stay as they are
	$(BENCH) benchmarks/speed.py --page --minutes 8

identification: $(STAMP)  ## measure all that docs/identification.md says anew, and write its tables and pictures
	$(PYTHON) benchmarks/page.py

tissue: $(STAMP)  ## fit the recordings of $$CALCIGRAPH_TEST_DATA/lymph_gland, and write tables and picture of docs/tissue.md
	$(PYTHON) benchmarks/tissue.py

events: $(STAMP)  ## measure events and waves in simulations and in $$CALCIGRAPH_TEST_DATA/lymph_gland, and write the tables of docs/events.md
	$(PYTHON) benchmarks/events.py --csv docs/events
	$(PYTHON) benchmarks/waves.py --csv docs/events
	$(PYTHON) benchmarks/waves_unordered.py --csv docs/events
	$(PYTHON) benchmarks/waves_media.py --csv docs/events
	$(PYTHON) benchmarks/own_share.py
	$(PYTHON) benchmarks/events_tissue.py
	$(PYTHON) benchmarks/events_page.py

forecast: $(STAMP)  ## measure forecasts in simulations and in $$CALCIGRAPH_TEST_DATA/lymph_gland, and write the tables of docs/forecast.md
	$(PYTHON) benchmarks/forecast.py --csv docs/forecast
	$(PYTHON) benchmarks/forecast_network.py --csv docs/forecast
	$(PYTHON) benchmarks/forecast_page.py

scale: $(STAMP)  ## measure bytes and seconds a culture, throughput against workers, and graphs of up to 10,000 cultures
	$(PYTHON) benchmarks/scale.py all --csv docs/scale
	$(PYTHON) benchmarks/scale_page.py

demo: $(STAMP)  ## the whole main job on two synthetic cultures
	.venv/bin/calcigraph --workspace calcigraph-demo demo

lock:  ## resolve pyproject.toml anew into the hashed, universal lock
	$$(command -v uv || echo .venv/bin/uv) pip compile pyproject.toml --all-extras --group test --group bench --group lint --group docs --universal \
		--python-version 3.11 --generate-hashes --no-header --quiet --output-file requirements.lock

clean:  ## remove what setup and test made
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
