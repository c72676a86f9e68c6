# Every target is a line or two of Go tooling. `make demo` and `make test` need Go, make, a C
# compiler (DuckDB in the tests) and the module proxy; nothing else.
.DEFAULT_GOAL := help
.PHONY: help build cross test test-product test-compare test-all race lakes libzstd torture fuzz lint vuln bench bench-compare demo demo-s3 query clean

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# What tw2parquet is built for; sink/platform.go refuses the rest.
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
# What -tags nocloud leaves out.
SDKS := ^github\.com/(aws|Azure|AzureAD)/|^golang\.org/x/oauth2|^cloud\.google\.com/
FUZZTIME ?= 30s
BENCH    ?= .
TORTURE  ?= 4
SQL      ?= FROM 'tw2parquet-demo/*/*.parquet' SELECT lang, count(*) AS documents GROUP BY ALL ORDER BY 2 DESC
export SQL

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the static binary, bin/tw2parquet
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/tw2parquet ./cmd/tw2parquet

cross: ## build for every supported platform, vet for each system, and without object stores; every other one is refused, with the reason alone
	@set -e; for p in $(PLATFORMS); do echo "$$p"; export GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0; go build ./...; case $$p in */arm64) ;; *) go vet ./...;; esac; done
	CGO_ENABLED=0 go build -tags nocloud ./... && go vet -tags nocloud ./...
	@sdk=$$(go list -deps -tags nocloud ./cmd/tw2parquet | grep -E '$(SDKS)'); test -z "$$sdk" || { echo "-tags nocloud links $$sdk"; exit 1; }
	@for p in $(filter-out $(PLATFORMS),$(shell go tool dist list)); do why=$$(GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=1 go list -deps ./cmd/tw2parquet 2>&1 >/dev/null); case "$$?$$(echo "$$why" | wc -l)$$why" in 11sink/platform.go:*) ;; *) echo "$$p is not refused as it should be: $$why"; exit 1;; esac; done

# test: every oracle (DuckDB, the emulator's ledger, encoding/json), every command and kind of fault in one or two places.
# test-all: the same faults in every place, long loops and races, memory over long streams, the other builds.
# torture: death and damage, TORTURE times as often as in test-all, with streams cut at every byte.
test: ## the quick tests; six minutes on two cores when everything has to be compiled
	@$(MAKE) --no-print-directory -j2 test-product test-compare

test-product:
	go test -short -timeout 30m ./...

test-compare: # with DuckDB, and the built binary against the emulator
	cd bench/compare && go test -short -timeout 30m ./...

test-all: ## every test in full length
	go test -timeout 30m ./...
	GOEXPERIMENT=simd go test ./schema
	cd bench/compare && go test -timeout 30m ./...
	cd bench/vuln && go test ./...

race: ## the quick tests under the race detector
	go test -race -short -timeout 45m ./...

lakes: bench/lakes/.venv bench/lakes/azurite/node_modules ## object stores: the tests against real servers (needs python3, PyPI, Node and npm)
	cd bench/lakes && go test -timeout 30m $(LAKESFLAGS) ./...

bench/lakes/.venv: bench/lakes/requirements.txt
	python3 -m venv --clear $@
	$@/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

bench/lakes/azurite/node_modules: bench/lakes/azurite/package-lock.json
	cd bench/lakes/azurite && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

libzstd: ## the tests of what is written, with zstd through cgo
	go test -short -timeout 30m -tags libzstd ./sink/... && go test -short -timeout 30m -tags libzstd -run "Convert|Verify|Version" ./cmd/...
	cd bench/compare && E2E_BUILD_FLAGS=-tags=libzstd go test -timeout 30m -run 'Convert|Values' ./e2e

torture: ## kills, cuts, races, full disks and power cuts, TORTURE times as many as in test-all; ends with the figures
	TORTURE=$(TORTURE) go -C sink test -timeout 0 -run 'TestCrash_|TestFault_'
	TORTURE=$(TORTURE) go -C bench/compare/e2e test -timeout 0 -run TestTorture

fuzz: ## every fuzz target for FUZZTIME
	@set -e; grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r p; do for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$p/*_test.go | cut -c6-); do echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p; done; done

lint: ## formatting, vet, the import fence
	go run $(GOLANGCI) run --allow-parallel-runners ./...
	cd bench/compare && go run $(GOLANGCI) run --allow-parallel-runners ./...
	cd bench/vuln && go run $(GOLANGCI) run --allow-parallel-runners ./...
	cd bench/lakes && go run $(GOLANGCI) run --allow-parallel-runners ./...

# bench/lakes is left out: it runs other people's servers, in tests only.
vuln: ## known vulnerabilities of our modules, without asking a server; fails on what a newer module mends
	cd bench/vuln && go run . ../.. ../compare .

bench: ## benchmarks: make bench BENCH=Decode
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(BENCHFLAGS) ./...

bench-compare: build ## against DuckDB: time, memory, size (COMPAREFLAGS='-sides all', '-mode memory', …)
	go build -trimpath -tags libzstd -ldflags "-s -w -X main.version=$(VERSION)" -o bin/tw2parquet-libzstd ./cmd/tw2parquet
	cd bench/compare && go run . $(COMPAREFLAGS)

demo: build ## the main job, end to end, on the embedded emulator
	bin/tw2parquet demo
	@$(MAKE) --no-print-directory query

demo-s3: build ## the same into a bucket of an S3 server that it starts, read back over S3 (by DuckDB where its httpfs can be had)
	go -C bench/compare build -o ../../bin/query ./query
	go -C bench/lakes run ./demo -binary ../../bin/tw2parquet -query ../../bin/query

query: ## DuckDB over Parquet files: make query SQL='…'
	@go -C bench/compare build -o ../../bin/query ./query && bin/query "$$SQL"

clean: ## what the other targets left behind
	rm -rf bin tw2parquet-demo
