# SPDX-License-Identifier: Apache-2.0
# Everything a user or CI does with this repository. `make` alone lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Finds Rust and .venv, wherever setup.sh put them.
ENV := . scripts/env.sh;

# One cargo directory for everything, CMake included, so that nothing is compiled twice.
export CARGO_TARGET_DIR := $(CURDIR)/build/cargo

PREFIX ?= /usr/local
ROUNDS ?= 100
MINUTES ?= 15
SEED ?=
FUZZ_SECONDS ?= 60
SIM_SEEDS ?= 1500
SIM_STATE ?= build/sim/soak.json
SCRIPTS ?= 150
BENCH_KVD ?=
HOST_SEEDS ?= 0..60
# Bounds the memory that a search takes: about 100 bytes each.
TRANSITIONS ?= 40000000
EXPLORE = $(CARGO_TARGET_DIR)/release/explore

TESTS := test-rust test-sim test-c test-asan test-tsan test-python test-hosts wheel test-scripts test-kvd test-go test-interop test-kill test-model test-view test-mutants

help: ## List the targets
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: install PREFIX=$(PREFIX) DESTDIR=; test-sim SIM_SEEDS=$(SIM_SEEDS) SIM_FIRST=; soak ROUNDS=$(ROUNDS) MINUTES=$(MINUTES) SEED=; fuzz FUZZ_SECONDS=$(FUZZ_SECONDS); test-recorded SCRIPTS=$(SCRIPTS) SEED=1"

##@ Begin

demo: setup build/build.ninja ## Run three servers, kill the leader under load, show that nothing is lost
	@$(ENV) cmake --build build --target kvd
	@$(ENV) python scripts/demo.py

##@ Measure

bench: bench-programs ## Measure raftcore beside raft-rs and etcd/raft (QUICK=1: in a minute; CLOCK=cpu: on a busy machine)
	@$(ENV) python scripts/bench.py --clock $(or $(CLOCK),wall) $(if $(QUICK),--quick)

bench-check: setup ## Count the instructions of the hot paths; fails if one has grown by more than 5%
	@$(ENV) cargo build --quiet --release --locked -p raftcore-bench
	@$(ENV) python scripts/bench_check.py

bench-baseline: setup ## Make what is counted now the figures that bench-check compares with
	@$(ENV) cargo build --quiet --release --locked -p raftcore-bench
	@$(ENV) python scripts/bench_check.py --renew

# The program itself, the one in C, raft-rs with its other codec and, where there is Go, etcd/raft.
bench-programs: setup build/build.ninja
	@scripts/setup.sh --bench
	@$(ENV) cmake --build build --target bench
	@$(ENV) cargo build --release --locked -p raftcore-bench
	@if command -v protoc >/dev/null; then $(ENV) \
	  cargo build --release --locked -p raftcore-bench --no-default-features --features raft-rs-prost \
	    --target-dir build/cargo-prost && cp build/cargo-prost/release/raftcore-bench build/bench-raft-rs-prost; fi
	@if command -v go >/dev/null; then cd interop/go && CGO_ENABLED=0 go build -o ../../build/bench-etcd ./cmd/bench; fi

.PHONY: setup-bench bench-kvd
setup-bench: setup ## Install what bench-kvd compares with: etcd, redis, a library for plots; the load for etcd (needs Go)
	@scripts/setup_bench.sh

bench-kvd: build-c ## Measure kvd beside etcd and redis, and write docs/benchmarks.md (BENCH_KVD="--rounds 3 --realtime")
	@$(ENV) cmake --build build --target kvd_load
	@$(ENV) python scripts/bench_kvd.py --write $(BENCH_KVD)
	@if command -v perf >/dev/null; then $(ENV) python scripts/profile_kvd.py --write $(filter --realtime,$(BENCH_KVD)); \
	  else echo "perf is not installed: where the time goes is not measured"; fi

##@ Build and test

test: build ## Run every test
	@scripts/run_tests.py $(TESTS)

setup: ## Install what is missing: packages, Rust, .venv
	@scripts/setup.sh

build: build-c build-python ## Build the library, kvd, the examples, and the Python package

build-c: setup build/build.ninja
	@$(ENV) cmake --build build

build-python: setup
	@$(ENV) cd python && maturin develop --quiet --release --locked

# The library as `make install` leaves it: what the Go package is built with, by pkg-config.
GO_PREFIX := $(CURDIR)/build/go-prefix
# Go does not see that a header outside of the package has changed: a flag says so.
GO_ENV = export PKG_CONFIG_PATH=$(GO_PREFIX)/lib/pkgconfig LD_LIBRARY_PATH=$(GO_PREFIX)/lib \
  CGO_CFLAGS="-O2 -g -DRAFTCORE_HEADER=$$(cksum <include/raftcore.h | cut -d ' ' -f 1)";

.PHONY: build-go
build-go: setup build/build.ninja
	@$(ENV) cmake --build build --target raftcore_cargo
	@cmake --install build --prefix $(GO_PREFIX) >/dev/null

build/build.ninja: | setup
	@$(ENV) cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release

hello: setup build/build.ninja ## Run the first program: three nodes in one C file
	@$(ENV) cmake --build build --target hello
	@build/examples-c/hello/hello

test-rust: setup ## Test the core, the C interface and the simulator
	@$(ENV) cargo test --workspace --locked --no-fail-fast

SIM = $(CARGO_TARGET_DIR)/release/sim

build-sim:
	@$(ENV) cargo build --release --locked --quiet -p raftcore-testkit --bin sim

# The seeds that once failed, the scenarios, and seeds that follow from the commit (scripts/first_seed.sh), so that each
# commit tries others, and a failure is there for everybody who has it. Every rare situation has to occur.
test-sim: SIM_FIRST ?= $(shell scripts/first_seed.sh)
test-sim: setup build-sim ## Simulate all that once failed, and SIM_SEEDS fresh seeds (of the commit, or from SIM_FIRST on) for 5,000 ticks each
	@$(SIM) --seed-file testkit/testdata/seeds.txt --failures build/sim
	@$(SIM) --scenario testkit/testdata/scenarios/*.scenario --seeds 0..500 --all-situations --failures build/sim
	@first=$(SIM_FIRST); $(SIM) --seeds $$first..$$((first + $(SIM_SEEDS))) --ticks 5000 --failures build/sim

soak-sim: setup build-sim ## Simulate seed after seed for MINUTES; goes on where the last call stopped
	@$(SIM) --minutes $(MINUTES) --ticks 5000 --state $(SIM_STATE) --failures build/sim

test-c: build-c ## Test the C and C++ interfaces, kvd's parts, and all of it under valgrind
	@$(ENV) ctest --test-dir build --output-on-failure --no-tests=error --parallel $(shell nproc)

# One build and one run for each sanitizer, in build/asan or build/tsan.
test-asan asan: SANITIZER := address
test-asan asan: SANITIZED := asan
test-asan asan: SANITIZED_TESTS := --parallel $(shell nproc)
test-asan test-tsan: SANITIZED_KVD := OFF
test-asan asan test-tsan: setup
	@$(ENV) cmake -S . -B build/$(SANITIZED) -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	  -DRAFTCORE_SANITIZE=$(SANITIZER) -DRAFTCORE_BUILD_KVD=$(SANITIZED_KVD)
	@$(ENV) cmake --build build/$(SANITIZED)
	@$(ENV) ctest --test-dir build/$(SANITIZED) --output-on-failure --no-tests=error $(SANITIZED_TESTS)

test-tsan: SANITIZER := thread
test-tsan: SANITIZED := tsan
test-tsan: SANITIZED_TESTS := --tests-regex 'threads|planted'
test-tsan: ## Test the C interface with ThreadSanitizer, the Rust inside too

miri: setup ## Run the C interface's tests in Rust under Miri, where a toolchain has it, and a bug planted for it
	@scripts/miri.sh

abi-baseline: ## Renew the baseline of the binary interface after a compatible change
	@$(ENV) python3 scripts/abi.py --renew

test-asan: ## Test the C and C++ interfaces with AddressSanitizer and UBSan, the Rust inside too

asan: SANITIZED_KVD := ON
asan: ## The same and kvd's parts (takes longer to compile)

valgrind: build-c ## Only the tests under valgrind
	@$(ENV) ctest --test-dir build --output-on-failure --no-tests=error --parallel $(shell nproc) --label-regex valgrind

test-python: build-python ## Test the Python package, and its types against the module
	@$(ENV) pytest -c python/pyproject.toml python/tests

hosts: build-python build/build.ninja ## Build the simulator's hosts in C and Python
	@$(ENV) cmake --build build --target sim_host

# Each run waits for its host most of the time: both at once. The simulator is not optimised here, and the hosts'
# libraries are, so that this compares builds, too.
test-hosts: hosts ## Test that C and Python do what Rust does, seed by seed, in the simulator
	@$(ENV) cargo build --quiet --locked -p raftcore-testkit --bin sim
	@$(MAKE) --jobs=2 --output-sync=target test-host-c test-host-python

test-host-%:
	@$(ENV) $(CARGO_TARGET_DIR)/debug/sim --host $* --seeds $(HOST_SEEDS) --steps 2000

# Linked by zig against an older glibc than this machine's: one wheel for every Linux since 2018.
wheel: setup ## Build sdist and, from that, a manylinux wheel into build/wheels; check both, and try the wheel in an environment of its own
	@rm -rf build/wheels build/sdist && mkdir -p build/sdist
	@$(ENV) cd python && maturin sdist --out ../build/wheels 2>../build/sdist.log || { cat ../build/sdist.log; exit 1; }
	@tar -xmf build/wheels/raftcore-*.tar.gz -C build/sdist --strip-components=1
	@$(ENV) cd build/sdist && maturin build --quiet --release --zig --compatibility manylinux_2_28 --out ../wheels
	@$(ENV) python -m twine check --strict build/wheels/*
	@$(ENV) python scripts/check_wheel.py build/wheels
	@$(ENV) python -m venv --clear build/wheel-venv
	@build/wheel-venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index build/wheels/raftcore-*.whl
	@build/wheel-venv/bin/python python/examples/three_nodes.py

test-scripts: build ## Test the linearizability checker, the kill loop itself, and the README's examples
	@$(ENV) pytest scripts/tests

test-kvd: build-c ## Test kvd end to end: three processes, real clients
	@$(ENV) pytest examples-c/kvd/tests

test-go: build-go ## Test the Go package: linked with either library, with the race detector, with cgo's checks, and by go get
	@if command -v go >/dev/null; then $(GO_ENV) cd go && go test -count=1 ./... && go test -count=1 -tags raftcore_static . && \
	  go test -count=1 -race ./... && GOEXPERIMENT=cgocheck2 go test -count=1 . && ./check_build.sh && ./check_get.sh; else echo "go is not installed: the Go package is not tested"; fi

test-interop: build-c build-go ## Test mixed groups with raft-rs and, where Go is installed, with etcd/raft
	@$(ENV) cd interop/rust && cargo test --locked
	@if command -v go >/dev/null; then ($(GO_ENV) cd interop/go && go test -count=1 ./...) && $(MAKE) test-recorded; \
	  else echo "go is not installed: mixed groups with etcd/raft are not tested"; fi

test-recorded: setup ## Record SCRIPTS random scripts from etcd/raft (from seed SEED on), and run them here (needs Go)
	@rm -rf build/recorded && mkdir -p build
	@cd interop/go && go run ./cmd/record -out ../../build/recorded -scripts $(SCRIPTS) -seed $(or $(SEED),1)
	@$(ENV) cargo run --quiet --locked -p raftcore-testkit --bin interact -- build/recorded/*.txt >build/recorded.log \
	  || { grep -v '^ok ' build/recorded.log; exit 1; }
	@echo "$$(grep -c '^ok ' build/recorded.log) recorded scripts: equal"

test-kill: build-c ## Kill and restart kvd's nodes 100 times while clients write and read
	@$(ENV) python scripts/kill_loop.py --rounds 100 --minutes 5

soak: build-c build-sim ## The same, ROUNDS times or for MINUTES, whichever ends first; then soak-sim and soak-model
	@$(ENV) python scripts/kill_loop.py --rounds $(ROUNDS) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))
	@$(MAKE) soak-sim
	@$(MAKE) soak-model

test-model: setup ## Look at every state of three nodes, within small bounds
	@$(ENV) cargo build --release --locked --quiet -p raftcore-testkit --bin explore
	@$(EXPLORE) --terms 1 --proposals 1 --crashes 1
	@$(EXPLORE) --terms 2 --crashes 1 --depth 10

soak-model: test-model ## The same within wider bounds, for MINUTES
	@$(EXPLORE) --terms 1 --heartbeats 1 --proposals 1 --crashes 1 --transitions $(TRANSITIONS) --minutes $$(( $(MINUTES) / 3 + 1 ))
	@$(EXPLORE) --terms 1 --crashes 1 --pre-vote --transitions $(TRANSITIONS) --minutes $$(( $(MINUTES) / 3 + 1 ))
	@$(EXPLORE) --terms 2 --proposals 1 --crashes 1 --transitions $(TRANSITIONS) --minutes $$(( $(MINUTES) / 3 + 1 ))

test-view: setup ## Test the page that shows a simulated run, where there is a chromium (scripts/setup.sh --browser)
	@$(ENV) cargo build --release --locked --quiet -p raftcore-testkit --bin sim --bin view
	@$(ENV) pytest -rs testkit/view_tests || [ $$? -eq 5 ]

view: setup ## Make a page of what a simulated run did: SEED
	@$(ENV) cargo build --release --locked --quiet -p raftcore-testkit --bin sim --bin view
	@$(CARGO_TARGET_DIR)/release/sim --seed $(or $(SEED),10) --steps 4000 --trace build/run.jsonl
	@$(CARGO_TARGET_DIR)/release/view build/run.jsonl

test-mutants: setup ## Break the core in two ways and see whether the simulator notices
	@$(ENV) python scripts/mutants.py --only commit-of-an-older-term --only vote-twice --ranges 1 --seeds 300

mutants: setup ## Break the core in every way listed; the table goes into docs/verification.md
	@$(ENV) python scripts/mutants.py --write

fuzz: setup ## Fuzz the core for FUZZ_SECONDS (installs cargo-fuzz if it is missing)
	@fuzz/run.sh --seconds $(FUZZ_SECONDS)

##@ Before a commit

verify: build-python build-go ## Check formats, lints and generated files; change nothing
	@$(ENV) cargo fmt --check
	@$(ENV) cargo clippy --quiet --workspace --all-targets --locked -- -D warnings
	@$(ENV) cargo test --quiet --locked -p raftcore-ffi --test header
	@$(ENV) ruff check --quiet python scripts testkit
	@$(ENV) ruff format --quiet --check python scripts testkit
	@$(ENV) python python/tools/stub_docs.py --check
	@$(ENV) python scripts/readme_figures.py --check
	@if command -v go >/dev/null; then $(GO_ENV) { test -z "$$(gofmt -l go interop/go)" || { gofmt -d go interop/go; exit 1; }; } \
	  && (cd go && go vet ./...) && (cd interop/go && go vet ./...); fi

fix: build-python ## Format, and regenerate the C header and the docstrings of the Python stubs
	@$(ENV) cargo fmt
	@$(ENV) ruff format --quiet python scripts testkit
	@$(ENV) UPDATE_HEADER=1 cargo test --quiet --locked -p raftcore-ffi --test header
	@$(ENV) python python/tools/stub_docs.py
	@$(ENV) python scripts/readme_figures.py
	@if command -v gofmt >/dev/null; then gofmt -w go interop/go; fi

##@ Install, render, clean

install: ## Install library, headers, pkg-config and CMake files (after make build)
	@DESTDIR=$(DESTDIR) cmake --install build --prefix $(abspath $(PREFIX))

docs: build-python ## Render the references (C, Rust, Python) and the guides into build/docs
	@scripts/setup.sh --docs
	@$(ENV) scripts/docs.py

deb: setup ## Build Debian packages into build/deb, and check them beside Debian's libraft-dev
	@scripts/setup.sh --deb
	@$(ENV) cmake -S . -B build/deb -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr -DRAFTCORE_DEB=ON \
	  -DRAFTCORE_CARGO_DIR=$(CARGO_TARGET_DIR) -DRAFTCORE_BUILD_EXAMPLES=OFF -DBUILD_TESTING=OFF
	@$(ENV) cmake --build build/deb
	@rm -f build/deb/*.deb && cd build/deb && cpack -G DEB >cpack.log || { cat cpack.log; exit 1; }
	@scripts/check_deb.sh build/deb

clean: ## Remove what was built; .venv and installed packages stay
	@rm -rf build

.PHONY: build-sim soak-sim help demo bench bench-programs bench-check bench-baseline test setup build build-c build-python hosts hello $(TESTS) test-recorded asan valgrind miri abi-baseline soak soak-model view mutants fuzz verify fix install deb docs clean
