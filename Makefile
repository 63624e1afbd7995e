# Every target works on a fresh machine: it needs Python 3.11 or newer, and a network for the first run.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Test files that run at once; each worker has a control plane of its own. More than two cores, since tests wait.
# They begin in the order of tests/conftest.py; by itself, xdist would keep the files with the fewest tests, which are long stories, for the end.
WORKERS ?= 3

.PHONY: help verify changelog demo test test-unit test-faults lint format generate bench bench-quick docs chart image image-test licenses sbom clean lock
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-11s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.txt pyproject.toml dev/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"mljobs needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}: set PYTHON=python3.12, say")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned dependencies into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --editable ./dev
	@touch $@

demo: $(STAMP) ## Run real jobs from deploy/samples on an embedded control plane
	@$(BIN)/mljobs demo

# Tests start hundreds of processes: what Python compiles for one serves all, whatever the environment says.
test test-unit test-faults bench bench-quick: export PYTHONDONTWRITEBYTECODE :=
# A quarter of the API servers' CPU is garbage collection, for memory that there is.
test test-faults: export GOGC ?= 400
test test-faults: export GOMEMLIMIT ?= 1GiB

test: $(STAMP) ## Run all tests but the benchmarks and the long fault runs
	@$(BIN)/mljobs controlplane ensure --with kubectl,kube-controller-manager,helm
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-faults: $(STAMP) ## Kill the operator at every effect, and break what it stands on
	@$(BIN)/mljobs controlplane ensure --with kubectl,kube-controller-manager
	@MLJOBS_FAULTS=all $(BIN)/pytest tests/faults -m 'faults or not faults'

test-unit: $(STAMP) ## Run only the tests that need no control plane
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m 'not e2e and not faults'

lint: $(STAMP) ## Check style, types, import contracts, generated files, licences and the documentation
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.generate --check
	@$(BIN)/python -m tools.licenses --check
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/zizmor --offline --quiet --no-progress .github
	@$(BIN)/towncrier build --draft --version 0.0.0 >/dev/null
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --builder html docs build/docs

verify: lint test ## Everything that a change must pass

format: $(STAMP) ## Format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix-only --exit-zero .
	@$(BIN)/ruff format .

generate: $(STAMP) ## Regenerate all generated files
	@$(BIN)/python -m tools.generate

bench: $(STAMP) ## Measure the figures of docs/benchmarks.md, and hold them against bench/goals.yaml: an hour
	@$(BIN)/mljobs controlplane ensure --with kubectl
	@$(BIN)/python -m bench

bench-quick: $(STAMP) ## The same with up to 1,000 resources, in less than 5 minutes
	@$(BIN)/mljobs controlplane ensure
	@$(BIN)/python -m bench.scale --quick

docs: $(STAMP) ## Build the documentation into build/docs
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --builder html docs build/docs

chart: $(STAMP) ## Check and package the Helm chart into dist
	@helm="$$($(BIN)/mljobs controlplane ensure --with helm)/helm" && \
		"$$helm" lint helm/mljobs-operator && "$$helm" package helm/mljobs-operator --destination dist

image: ## Build the image with docker, podman or buildah: BUILD_DIGEST=… RUNTIME_DIGEST=…, or ALLOW_UNPINNED=yes
	@deploy/image/build.sh

image-test: $(STAMP) ## Build the image with buildah on bases made here, and run it (as root; takes minutes)
	@$(BIN)/mljobs controlplane ensure --with kubectl,helm
	@$(BIN)/pytest tests/e2e/chart/image_checks.py --junitxml=build/image.xml -o junit_family=xunit1

changelog: $(STAMP) ## Gather changes/ into CHANGELOG.md for the version that is set: a step of a release
	@$(BIN)/towncrier build --yes --version "$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' operator/mljobs/__init__.py)"

licenses: $(STAMP) ## List the licences of the locked dependencies, and refuse what nobody has allowed
	@$(BIN)/python -m tools.licenses

sbom: $(STAMP) ## Write the bill of materials of the locked dependencies to build/sbom.json
	@$(BIN)/python -m tools.sbom

lock: $(STAMP) ## Pin the dependencies again, with hashes
	@bash requirements/lock.sh

clean: ## Remove what the other targets made here
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
