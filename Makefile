# make run        the whole pipeline: dermoscopy phantoms in, a trained network and a report out
# make test       format, lint, types and the fast tests
# make test-slow  what takes longer: kills, wheel, a queue of experiments
# make gate       dvc.lock agrees with dvc.yaml, parameters, code and cache; nothing is run
# make reproduce  the last commit from nothing, compared with dvc.lock stage by stage
# make record     after `make run`, before a commit: on what machine dvc.lock was made
# Each makes .venv and installs what it needs by itself. PYTHON=python3.12 chooses the interpreter.

PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: run test test-slow gate reproduce record clean

run: $(VENV)/run-time
	dvc repro
	@echo "The report is reports/report.html; the figures are in reports/metrics.json."

test: $(VENV)/development
	ruff format --check .
	ruff check .
	mypy
	python -m pytest -m "not slow"

test-slow: $(VENV)/development
	python -m pytest -m slow

gate: $(VENV)/run-time
	@python -m reproduction gate

reproduce: $(VENV)/run-time
	python -m reproduction check

record: $(VENV)/run-time
	python -m reproduction record

$(VENV)/run-time: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/development: $(VENV)/run-time requirements-dev.txt
	$(VENV)/bin/python -m pip install --quiet -r requirements-dev.txt
	touch $@

clean:
	rm -rf .partial logs
