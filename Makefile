# make help       these lines
# make run        the whole pipeline: dermoscopy phantoms in, a trained network and a report out
# make test       format, lint, types and the fast tests
# make test-slow  what takes longer: kills, wheel, a queue of experiments
# make test-long  what takes minutes each: narrow networks of every width, a hundred steps three times
# make gate       dvc.lock agrees with dvc.yaml, parameters, code and cache; nothing is run
# make reproduce  the last commit from nothing, compared with dvc.lock stage by stage
# make gpu        on a machine with one: its tests, what layers and steps cost there, in results/
# make docs       the site of README, docs/ and results/ in site/, with an API reference
# make record     after `make run`, before a commit: on what machine dvc.lock was made
# Each makes .venv and installs what it needs by itself. PYTHON=python3.12 chooses the interpreter.

PYTHON ?= python3
VENV := .venv
PAGES := '*.md' '*.svg' ':(glob)docs/*.jpg' ':(glob)docs/*.png' ':(glob)results/*.csv' LICENSE CITATION.cff
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: help run test tests test-slow test-long gate reproduce gpu docs record clean

run: $(VENV)/run-time
	@git rev-parse --git-dir >/dev/null 2>&1 || \
		{ echo "DVC needs a git repository: git init && git add --all && git commit --message start"; exit 1; }
	@python -m reproduction.forecast
	dvc repro
	@echo "The report is reports/report.html; the figures are in reports/metrics.json."

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

test: $(VENV)/development
	ruff format --check .
	ruff check .
	mypy
	python -m pytest -m "not slow and not long" --durations=10

tests: test

test-slow: $(VENV)/development
	python -m pytest -m slow --durations=25

test-long: $(VENV)/development
	python -m pytest -m long

gate: $(VENV)/run-time
	@python -m reproduction gate

reproduce: $(VENV)/run-time
	python -m reproduction check

gpu: $(VENV)/development
	python -m pytest -m gpu
	python -m benchmarks.gpu

# Pages keep their places, so that a link works in the repository and on the site.
docs: $(VENV)-docs/ready
	rm -rf build/pages && mkdir -p build/pages
	git ls-files -coz --exclude-standard -- $(PAGES) | xargs -0 tar -cf - | tar -xf - -C build/pages
	$(VENV)-docs/bin/zensical build --clean --strict
	@echo "The site is site/index.html."

record: $(VENV)/run-time
	python -m reproduction record

$(VENV)/run-time: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip==26.3  # draws a bar while it unpacks
	$(VENV)/bin/python -m pip install -r requirements.txt
	touch $@

$(VENV)/development: $(VENV)/run-time requirements-dev.txt
	$(VENV)/bin/python -m pip install -r requirements-dev.txt
	touch $@

$(VENV)-docs/ready: requirements-docs.txt
	$(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/python -m pip install -r requirements-docs.txt
	touch $@

# The trained networks of finished studies stay: .partial/studies.
clean:
	rm -rf logs $(filter-out .partial/studies,$(wildcard .partial/*))
