# Every command a person runs. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# `make test-e2e ONLY=name` runs the tests whose name has it, `make bench ONLY=domain` one domain.
ONLY ?=
# `make demo ONCE=1` checks the demo and ends; `make demo CLUSTER=current` uses the current kubeconfig context.
ONCE ?=
CLUSTER ?= own

# Tools that the project installs for itself, where the components are kept too.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/banyan
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY_ROOT := $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)
CARGO_DENY := $(CARGO_DENY_ROOT)/bin/cargo-deny

export CARGO_TERM_COLOR ?= auto

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One set of packages and targets for everything that is built, so that no dependency is compiled twice with other features.
.PHONY: build
build:
	$(CARGO) build --workspace --all-targets

.PHONY: demo
demo: build ## Start an estate of five sites on this machine and show its verdicts (ONCE=1: check and end; CLUSTER=current: on your cluster)
	target/debug/banyan-e2e demo --cluster $(CLUSTER) $(if $(ONCE),--once)

.PHONY: up
up: build ## Leave the demo's estate running in the background
	target/debug/banyan-e2e up

.PHONY: down
down: ## Stop the estate that `make up` left running
	target/debug/banyan-e2e down

.PHONY: test
test: lint verify test-unit test-e2e ## Run everything that a change must pass

.PHONY: test-unit
test-unit: build ## Run the tests that need nothing but Rust
	$(CARGO) test --workspace --lib --bins --test bad_input

.PHONY: test-e2e
test-e2e: build ## Run the end-to-end tests against real components (ONLY=name for some)
	$(CARGO) test --workspace --test e2e -- $(ONLY)

.PHONY: browser
browser: ## Install what the tests of pages need, where that is possible: Chromium, ChromeDriver, a Chinese font
	e2e/browser.sh

.PHONY: lint
lint: $(CARGO_DENY) ## Check format, lints and licences
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO_DENY) --log-level error check licenses bans sources

# The folder is named by the version, so that another version is another file.
$(CARGO_DENY):
	$(CARGO) install --locked --root $(CARGO_DENY_ROOT) cargo-deny@$(CARGO_DENY_VERSION)

.PHONY: crds
crds: build ## Generate the CRD manifests and the chart's copies of generated files
	rm -rf crds/manifests charts/banyan/files/crds
	mkdir -p crds/manifests charts/banyan/files/crds
	target/debug/banyan crds --output-dir crds/manifests
	cp crds/manifests/*.yaml charts/banyan/files/crds/
	target/debug/banyan rules > charts/banyan/files/alerts.yaml
	target/debug/banyan gitops argocd-health --output lua > charts/banyan/files/argocd-health.lua

.PHONY: verify
verify: ## Generate every generated file again and fail on a difference
	@before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; \
	cp -r crds/manifests "$$before/manifests"; cp -r charts/banyan/files "$$before/files"; \
	$(MAKE) --no-print-directory crds; \
	diff -r "$$before/manifests" crds/manifests && diff -r "$$before/files" charts/banyan/files \
	|| { echo "generated files were out of date; they have been generated again: commit them"; exit 1; }

.PHONY: bench
bench: ## Measure; one JSON line a figure (ONLY=domain for some)
	$(CARGO) build --release -p banyan -p banyan-e2e
	target/release/banyan-e2e bench $(ONLY)

.PHONY: chart
chart: crds ## Package the chart into target/chart
	mkdir -p target/chart
	"$$(target/debug/banyan-e2e tools helm | awk '{print $$3}')" package charts/banyan --destination target/chart

# PROFILE=dev is quicker and larger; TARGET=aarch64-unknown-linux-gnu needs that target's linker: docs/closed-network.md.
PROFILE ?= release
TARGET ?=
.PHONY: bundle
bundle: crds ## Make one archive for closed networks: image, chart, command line, checksums, bill of materials
	target/debug/banyan-e2e bundle --profile $(PROFILE) $(if $(TARGET),--target $(TARGET))

# The long forms of what the tests do for seconds. Fuzzing is bounded by time: rounds of so many cases, each with other ones, until it is over.
SOAK_SECONDS ?= 600
SOAK_ROUND ?= 1000
SOAK_CASES ?= 20000
SOAK_ROUNDS ?= 5
FUZZ := $(CARGO) test --release -p banyan -p banyan-policies --lib -- fuzz::
.PHONY: fuzz
fuzz: ## Feed the loader and every renderer with anything at all (SOAK_SECONDS of it)
	$(FUZZ) --list
	end=$$(($$(date +%s) + $(SOAK_SECONDS))); rounds=0; \
	while [ $$(date +%s) -lt $$end ]; do \
		PROPTEST_CASES=$(SOAK_ROUND) $(FUZZ) || exit 1; rounds=$$((rounds + 1)); \
	done; echo "fuzzed: $$((rounds * $(SOAK_ROUND))) cases of each target, none failed"

.PHONY: soak
soak: build fuzz ## Run the long forms: fuzzing for SOAK_SECONDS, properties SOAK_CASES times, races SOAK_ROUNDS times
	PROPTEST_CASES=$(SOAK_CASES) $(CARGO) test --release -p banyan -p banyan-policies --lib -- --skip fuzz::
	for round in $$(seq $(SOAK_ROUNDS)); do for race in crash leader; do \
		$(CARGO) test --workspace --test e2e -- $$race || exit 1; done; done

.PHONY: clean
clean: ## Remove what was built (not the cache of components)
	$(CARGO) clean
