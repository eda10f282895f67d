# Each target sets up what it needs in .venv by itself; a fresh machine needs Python >= 3.11 and make.
PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
VENV := .venv
BENCHMARKS = $(patsubst benchmarks/%.py,%,$(filter-out benchmarks/_%.py benchmarks/results_page.py,$(wildcard benchmarks/*.py))) results_page

.PHONY: help demo test check bench
.DELETE_ON_ERROR:

help:
	@echo "make demo    analyse the demo conversation: a table, timeline.json and report.html"
	@echo "make test    run the tests"
	@echo "make check   lint, format and types: ruff and pyright"
	@echo "make bench   run the benchmarks, which write docs/results/*.json"

demo: $(VENV)/ready-offline
	$(VENV)/bin/affectline analyze examples/demo.mp4 --transcript examples/demo.srt --out runs --formats json,html

test: $(VENV)/ready-dev
	@.ci/chromium
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile

check: $(VENV)/ready-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

bench: $(VENV)/ready-dev
	@set -e; for name in $(BENCHMARKS); do echo "benchmarks.$$name"; $(VENV)/bin/python -m "benchmarks.$$name"; done

# Modules are compiled when they are imported, which most of them never are.
# ready-X says that the extra X is installed as pinned; a change of the pins installs it again.
$(VENV)/ready-%: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(VENV)/bin/python -m pip install --quiet --no-compile --constraint $(CONSTRAINTS) --editable ".[$*]"
	@touch $@

# The speaker network's weights; its other dependencies need a compiler and are not used.
$(VENV)/ready-dev: $(VENV)/voices
$(VENV)/voices: constraints.txt | $(VENV)/bin/pip
	$(VENV)/bin/python -m pip install --quiet --no-compile --constraint $(CONSTRAINTS) --no-deps Resemblyzer
	@touch $@

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit("affectline needs Python 3.11 or newer, this is %d.%d; say make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
