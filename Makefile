# Every target sets up what it needs; only Python 3.11+, gcc and make must be there.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
HOST   := $(VENV)/.host
DEMO   := $(VENV)/.demo
SYNC   := $(BIN)/uv sync --locked --python $(BIN)/python
CLOUD_TESTS := $(VENV)/.cloud-tests
STUDIO := $(VENV)/.studio
BROWSER_TESTS := $(VENV)/.browser-tests
DOCS   := $(VENV)/.docs
# Tests wait for processes much of their time: two of them for each core keep it busy.
TESTERS := $(shell $(PYTHON) -c 'import os; print(2 * len(os.sched_getaffinity(0)))')
PARALLEL = -n $(TESTERS) --dist loadfile --no-loadscope-reorder

FLEET ?= processes
ON_ENGINE = $(if $(filter docker container_apps kubernetes,$(FLEET)),$(if $(CONTAINER_TESTS_ENGINE),,$(BIN)/python -m tests.servers.engine))

export UV_PROJECT_ENVIRONMENT := $(VENV)
# Without bytecode each process compiles, and pytest rewrites, every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: docs studio picture browser-tests demo demo-cloud demo-containers engine run test e2e lint check format drawing settings-page studio-types requirements wheel image sbom licences audit attack fuzz chaos simulate upgrades steady bench-batch bench-online setup clean help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## Create .venv from uv.lock, whole

# uv comes by the version and the digests that uv.lock has of it, on whatever platform.
$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "ml-endpoints needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name one with: make PYTHON=/path/to/python3.11")'
	@echo "Setting up $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@awk '/^[^ ]/ { uv = /^uv==/ } uv' requirements.txt > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--only-binary :all: --no-deps -r $(VENV)/uv.txt

# What a host needs, and what the demo needs beside it: less than the tests, and never taken away.
$(HOST): pyproject.toml uv.lock | $(BIN)/uv
	@$(SYNC) --inexact --no-default-groups --extra host
	@touch $(HOST)

$(DEMO): $(HOST)
	@$(SYNC) --inexact --no-default-groups --extra host --group examples
	@touch $(DEMO)

$(STAMP): pyproject.toml uv.lock | $(BIN)/uv
	@$(SYNC) --all-extras
	@touch $(HOST) $(DEMO) $(STAMP)

demo: $(DEMO) $(if $(KEEP),studio) ## Run the main job on real input, end to end (KEEP=1 stays up, with live traffic in the studio)
	@KEEP=$(KEEP) $(BIN)/python examples/demo.py

demo-cloud: $(CLOUD_TESTS) ## The same on the cloud adapters, over servers on this machine
	@$(BIN)/python -m tests.servers $(BIN)/python examples/demo.py

demo-containers: $(STAMP) ## The same with every model, online and batch, in a container of an engine of its own (root, dockerd)
	@$(BIN)/python -m tests.servers.engine --app $(BIN)/python examples/demo.py

engine: $(STAMP) ## Keep a Docker Engine up for the suites over containers, until Ctrl-C (root, dockerd)
	@$(BIN)/python -m tests.servers.engine

run: $(HOST) ## Keep a host up on https://127.0.0.1:7443 until Ctrl-C
	@$(BIN)/python -m infra.embedded --port 7443 --data-dir .data --welcome

# What tests the cloud adapters is compiled: a machine that cannot is told why first.
$(CLOUD_TESTS): $(STAMP) tests/servers/check_build.py
	@$(BIN)/python tests/servers/check_build.py
	@$(SYNC) --all-extras --group cloud-tests
	@touch $(CLOUD_TESTS)

$(STUDIO): pyproject.toml uv.lock | $(BIN)/uv
	@$(SYNC) --inexact --no-default-groups --extra host --group studio
	@touch $(STUDIO)

studio: $(STUDIO) ## Build the web portal into studio/dist
	@$(BIN)/python scripts/build_studio.py

$(BROWSER_TESTS): $(CLOUD_TESTS)
	@$(SYNC) --all-extras --group cloud-tests --group browser-tests
	@touch $(BROWSER_TESTS)

$(DOCS): pyproject.toml uv.lock | $(BIN)/uv
	@$(SYNC) --inexact --no-default-groups --extra host --group docs
	@touch $(DOCS)

docs: $(DOCS) ## Build the documentation's site into dist/site: every page, and every link held
	@$(BIN)/python -m scripts.docs_site dist/site

picture: $(BROWSER_TESTS) studio ## Take README's picture of the studio, from a host with live traffic (Chromium)
	@$(BIN)/python scripts/picture.py docs/studio.png

browser-tests: $(BROWSER_TESTS) studio ## What `make test` needs to try the studio, beside Chromium

test: $(CLOUD_TESTS) ## Run every test
	@$(BIN)/python -m pytest $(PARALLEL)

# Over Docker, on an engine that is named or on one of its own; over a cluster that is really there only
# where this very command names its kubeconfig.
ON_CLUSTER = $(if $(filter command,$(origin KUBECONFIG)),$(KUBECONFIG))
e2e: $(STAMP) ## The tests through the door over a fleet (FLEET=processes, docker, container_apps or kubernetes, ONLY=journey for the main ones, KUBECONFIG= for a real cluster)
	@$(if $(ON_CLUSTER),CLUSTER_TESTS_KUBECONFIG=$(ON_CLUSTER)) E2E_FLEET=$(FLEET) $(if $(ON_CLUSTER),,$(ON_ENGINE)) $(BIN)/python -m pytest $(PARALLEL) $(if $(ONLY),-m $(ONLY)) tests/e2e

lint: $(STAMP) ## Format, lint, types, arrows between packages
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint ## Lint, and the fast tests
	@$(BIN)/python -m pytest $(PARALLEL) -m 'not e2e'

requirements: $(STAMP) ## Export requirements.txt, which Functions reads, from uv.lock
	@$(BIN)/uv export --frozen --extra host --extra azure --no-default-groups --no-header --no-annotate --quiet -o requirements.txt

sbom: $(STAMP) ## Write sbom.cdx.json, the bill of materials (CycloneDX)
	@$(BIN)/python -m supply_chain.sbom sbom.cdx.json

licences: $(STAMP) ## The licence of every package at run time; refuses unknown and copyleft ones
	@$(BIN)/python -m supply_chain.licences

audit: $(STAMP) ## Look the packages up in a database of vulnerabilities (AUDIT=--required to insist)
	@$(BIN)/python -m supply_chain.audit $(AUDIT)

wheel: $(STAMP) studio ## Build the package, mlectl, into dist/
	@$(BIN)/python -m hatchling build --target wheel

# Of Debian's or anybody's Python: BASE=, with PYTHON_VERSION= and MACHINE= as that has them.
BASE ?= python:3.12-slim
PYTHON_VERSION ?= 3.12
MACHINE ?= $(shell uname -m)
IMAGE ?= ml-endpoints:latest
image: wheel ## Build the host as a container image, without network in the build (IMAGE=, BASE=, PYTHON_VERSION=, EXTRAS=azure for its stores)
	@$(BIN)/python -m scripts.image_context "$$(ls -t dist/mlectl-*.whl | head -1)" dist/image \
		--python-version $(PYTHON_VERSION) --machine $(MACHINE) --extras "$(EXTRAS)"
	@docker build --build-arg BASE=$(BASE) -t $(IMAGE) dist/image

drawing: $(STAMP) ## Draw the layers of the code into CONTRIBUTING.md
	@$(BIN)/python -m tests.architecture.drawing

settings-page: $(STAMP) ## Write docs/settings.md from the settings
	@$(BIN)/python -m tests.architecture.settings_page

studio-types: $(STAMP) ## Write the studio's types from the OpenAPI document
	@$(BIN)/python -m tests.handlers.studio.api_types

format: $(STAMP) ## Format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

attack: $(STAMP) ## What an attacker would try, by OWASP's API Security Top 10 (ROWS="API1 API7", FLEET=docker)
	@E2E_FLEET=$(FLEET) $(ON_ENGINE) $(BIN)/python -m tests.attack $(ROWS)

fuzz: $(STAMP) ## Sequences of calls from the API's own description (EXAMPLES=, SEED=)
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),200)0 $(BIN)/python -m pytest -q -n 0 tests/fuzz/test_parsers.py
	@$(BIN)/python -m tests.fuzz --examples $(or $(EXAMPLES),200) --seed $(or $(SEED),0)

chaos: $(STAMP) ## Batch jobs and deployments under kills, lost answers, failing stores (SEED=, RUNS=, FLEET=docker)
	@E2E_FLEET=$(FLEET) $(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) --runs $(or $(RUNS),200)

upgrades: $(STAMP) ## One embedded host after another under traffic (UPGRADES=)
	@UPGRADES=$(or $(UPGRADES),20) $(BIN)/python -m pytest -q tests/e2e/test_succession.py -k under_traffic

simulate: $(STAMP) ## The app in one thread under faults at every call, by seeds (SEEDS=, FIRST=, REPLAY=)
	@$(BIN)/python -m tests.simulation $(if $(REPLAY),--replay $(REPLAY),--seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0))

steady: $(CLOUD_TESTS) ## Every test alone, beside busy loops, and on half a core (RUNS="busy half" for some)
	@$(BIN)/python -m tests.steady $(RUNS)

# Its own figures first, then those of each further bench of the batch path that is there.
BATCH_BENCHES := $(basename $(notdir $(wildcard $(addprefix benchmarks/,batch_overhead.py plan_scale.py job_scale.py blob_drop.py fair_jobs.py))))

bench-batch: $(STAMP) ## Batch beside its peers, then its other benches (BENCH="--ways pool,ours" for some)
	@$(BIN)/python -m benchmarks.batch $(BENCH)
	@$(if $(BENCH),,$(foreach each,$(BATCH_BENCHES),echo; echo "## $(each)"; $(BIN)/python -m benchmarks.$(each) &&) true)

bench-online: $(STAMP) ## Measure online scoring beside its peers (BENCH="--peers mlserver"); 40 minutes
	@$(BIN)/python -m benchmarks.online $(BENCH)

clean: ## Remove the virtual environment, caches and .data
	rm -rf $(VENV) .data .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
