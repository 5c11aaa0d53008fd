# Everything runs in .venv, made from the hashed lock file. Needs Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
TRAINERS := .venv-trainers
BIN := $(VENV)/bin
# The instance lives in this folder, so that dagster.yaml here is the one in force. Dagster wants an absolute
# path: .env is generated, and read by Dagster's own commands.
export DAGSTER_HOME := $(CURDIR)

.PHONY: setup home demo dev test faults cluster trainers lint types ci bench soak stream-soak screenshots lock clean

setup: $(VENV)/.ready home

$(VENV)/.ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# The instance is initialised here, once: processes that start together on an empty home would race.
# Other lines of .env are the user's own.
home: $(VENV)/.ready
	@grep -qsx 'DAGSTER_HOME=$(DAGSTER_HOME)' .env || { \
		$(BIN)/python -c 'import dagster; dagster.DagsterInstance.get().dispose()' && \
		touch .env && sed -i.old '/^DAGSTER_HOME=/d' .env && rm .env.old && \
		echo 'DAGSTER_HOME=$(DAGSTER_HOME)' >> .env; }

demo: setup
	@$(BIN)/python -m medallion_assets.demo

dev: setup
	VIRTUAL_ENV=$(CURDIR)/$(VENV) PATH=$(CURDIR)/$(BIN):$$PATH dg dev

test: setup
	$(BIN)/python -m pytest -n auto --dist loadfile

# Every fault at full length, some hours; FAULTS_SCALE=0.1 makes a tenth of the injections.
faults: setup
	$(BIN)/python -m medallion_assets_tests.faults

# A Ray cluster of three nodes on this machine, of which one is lost in the middle of a range.
cluster: setup
	$(BIN)/python -m pytest medallion_assets_tests/fanout/killed_nodes.py

# An environment of its own, with PyTorch. The build for the processor alone is a tenth of the other one's size:
# where pip finds both, as on Linux, it takes that of PyTorch's own index for it, if PIP_EXTRA_INDEX_URL names it.
trainers: $(TRAINERS)/.ready
	HF_HUB_OFFLINE=1 $(TRAINERS)/bin/python -m pytest medallion_assets_tests/trainers

$(TRAINERS)/.ready: requirements-trainers.txt pyproject.toml
	$(PYTHON) -m venv $(TRAINERS)
	$(TRAINERS)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-trainers.txt
	$(TRAINERS)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

soak: setup
	$(BIN)/python -m medallion_assets_tests.soak

stream-soak: setup
	$(BIN)/python -m medallion_assets_tests.streaming.soak

screenshots: setup
	$(BIN)/python -m medallion_assets_tests.browser.pictures

bench: setup
	$(BIN)/python -m benchmarks

LOCK := $(BIN)/pip-compile --quiet --upgrade --allow-unsafe --generate-hashes --no-strip-extras --no-header --no-annotate

# Versions and hashes only: the options that pip-compile repeats may hold addresses of package registries.
# PyTorch's hashes and companions are other ones for each of its builds, so the trainers are pinned by version.
lock: setup
	$(LOCK) --output-file requirements.lock pyproject.toml
	$(LOCK) --output-file requirements-dev.lock --extra dev pyproject.toml
	cp requirements-dev.lock requirements-deploy.lock
	$(LOCK:--upgrade=) --output-file requirements-deploy.lock --extra postgres --extra k8s --extra s3 --extra ray --extra stream pyproject.toml
	sed -i.old '/^--/d' requirements.lock requirements-dev.lock requirements-deploy.lock
	rm requirements.lock.old requirements-dev.lock.old requirements-deploy.lock.old
	$(LOCK:--generate-hashes=) --output-file requirements-trainers.txt --extra dev --extra trainers pyproject.toml
	sed -i.old -e '/^--/d' -e 's/^\(torch==[^+]*\)+.*/\1/' -e '/^nvidia-/d' -e '/^cuda-/d' -e '/^triton/d' requirements-trainers.txt
	rm requirements-trainers.txt.old

ci: lint types test

clean:
	rm -rf $(VENV) $(TRAINERS) .env data history schedules storage logs .logs_queue
