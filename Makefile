# Every target is a line or two of Go tooling. `make demo` and `make test` need Go, make, a C
# compiler (DuckDB in the tests) and the module proxy; nothing else.
.DEFAULT_GOAL := help
.PHONY: help build cross picture released test test-product test-compare test-all full-product full-compare race lakes tables report airflow airflow-celery libzstd torture fuzz lint vuln vuln-now release release-test release-image size bench bench-compare bench-guard bench-peers demo demo-s3 query clean

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
CRANE    := github.com/google/go-containerregistry/cmd/crane@v0.22.1
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# What tw2parquet is built for; sink/platform.go refuses the rest.
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
# What -tags nocloud leaves out.
SDKS := ^github\.com/(aws|Azure|AzureAD)/|^golang\.org/x/oauth2|^cloud\.google\.com/
FUZZTIME ?= 30s
BENCH    ?= .
TORTURE  ?= 4
SQL      ?= FROM 'tw2parquet-demo/window_start=*/*.parquet' SELECT lang, count(*) AS documents GROUP BY ALL ORDER BY 2 DESC
export SQL
# A package is compiled once for the binary, its tests and DuckDB beside them if all are built alike: hence -trimpath
# everywhere, and CGO_ENABLED=0 where nothing needs C. `make lint` vets, and better than go test does. Nobody debugs a
# test's binary: without what a debugger needs it is linked in half the time.
export GOFLAGS := $(shell go env GOFLAGS) -trimpath -vet=off -ldflags=-w
# Compilers and tests are gone in a moment: with less garbage collection they take a quarter less CPU. The binary
# that tests start is not to inherit it: KEEN.
LAZY := GOGC=400
KEEN := -exec 'env -u GOGC'

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the static binary, bin/tw2parquet
	CGO_ENABLED=0 $(LAZY) go build -ldflags "-s -w -X main.version=$(VERSION)" -o bin/tw2parquet ./cmd/tw2parquet

cross: ## build and vet for every supported platform, and without object stores; every other one is refused, with the reason alone
	@set -e; for p in $(PLATFORMS); do echo "$$p"; export GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0; go build ./...; go vet ./...; done
	CGO_ENABLED=0 go build -tags nocloud ./... && go vet -tags nocloud ./...
	@sdk=$$(go list -deps -tags nocloud ./cmd/tw2parquet | grep -E '$(SDKS)'); test -z "$$sdk" || { echo "-tags nocloud links $$sdk"; exit 1; }
	@for p in $(filter-out $(PLATFORMS),$(shell go tool dist list)); do why=$$(GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=1 go list -deps ./cmd/tw2parquet 2>&1 >/dev/null); case "$$?$$(echo "$$why" | wc -l)$$why" in 11sink/platform.go:*) ;; *) echo "$$p is not refused as it should be: $$why"; exit 1;; esac; done

# test: every oracle (DuckDB, the emulator's ledger, encoding/json), every command and kind of fault in one or two places.
# test-all: the same faults in every place, long loops and races, memory over long streams, the other builds, servers and engines of others.
# torture: death and damage, TORTURE times as often as in test-all, with streams cut at every byte.
test: build ## the quick tests; what make demo compiled is not compiled again
	@CGO_ENABLED=0 $(LAZY) go list -export ./... >/dev/null # compiles: side by side, both would
	@$(MAKE) --no-print-directory -j2 test-product test-compare

test-product:
	CGO_ENABLED=0 $(LAZY) go test -short -timeout 30m ./...

test-compare: build # with DuckDB, and the built binary against the emulator
	cd bench/compare && TESTED_BINARY=$(CURDIR)/bin/tw2parquet $(LAZY) go test $(KEEN) -short -parallel 4 -timeout 30m . ./e2e # many wait; what tests tools of ours, and rivals' decoders: test-all

# They start servers and Java, and keep limits of time: one after the other, when nothing else runs. SERVICES= leaves them out.
SERVICES ?= lakes tables
test-all: build ## every test in full length, real Airflow, stores and engines as well (needs what make airflow, lakes and tables need)
	@CGO_ENABLED=0 $(LAZY) go list -export ./... >/dev/null
	@$(MAKE) --no-print-directory -j2 full-product full-compare airflow # AIRFLOWFLAGS=-short leaves out the older Airflow and what takes long
	$(if $(strip $(SERVICES)),@$(MAKE) --no-print-directory -j1 $(SERVICES))

full-product:
	CGO_ENABLED=0 $(LAZY) go test -timeout 30m ./...
	cd bench/vuln && go test ./...

full-compare:
	cd bench/compare && $(LAZY) go test $(KEEN) -timeout 45m ./...
	cd bench/decode && CGO_ENABLED=0 $(LAZY) go test ./...

# Minutes under the detector, and nothing runs side by side in them that does not in others.
ALONE := TestExport_AutoIs|TestExport_ARetryOfAuto|TestStandardOutput_Does|TestResult_Is|TestConvert_Judges|TestPlan_SaysWhat|TestVerify_ExitCodes|TestStores_Recordings|TestFlags_|TestEmptyColumns|TestCorpus_|TestProse_
race: ## the quick tests under the race detector
	$(LAZY) go test -race -short -timeout 45m -skip '$(ALONE)' ./...

lakes: bench/lakes/.venv bench/lakes/azurite/node_modules ## object stores: the tests against real servers (needs python3, PyPI, Node and npm)
	cd bench/lakes && CGO_ENABLED=0 $(LAZY) go test $(KEEN) -timeout 30m $(LAKESFLAGS) ./...

bench/lakes/.venv: bench/lakes/requirements.txt
	python3 -m venv --clear $@
	$@/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

bench/lakes/azurite/node_modules: bench/lakes/azurite/package-lock.json
	cd bench/lakes/azurite && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

report: build bench/report/node_modules ## the report's page in a headless Chromium: what runs, how it looks (UPDATE=1: new pictures), axe, print (needs Node and npm)
	cd bench/report && node --test page.test.mjs

bench/report/node_modules: bench/report/package-lock.json
	cd bench/report && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

tables: bench/tables/.venv $(if $(filter -short,$(TABLESFLAGS)),,bench/tables/.jars-rest bench/tables/.jars-s3 bench/tables/.duckdb-1.5.6 bench/tables/.duckdb-2.0.1 bench/lakes/azurite/node_modules) ## files, views and tables of an output, read by the engines people have (needs python3 and PyPI, and without -short Java, Maven and Maven Central, Node and npm; Linux)
	cd bench/tables && CGO_ENABLED=0 go test -timeout 60m $(TABLESFLAGS) ./...

# rest: a REST catalog of Iceberg's own tests; s3: Spark on buckets.
bench/tables/.jars-%: bench/tables/%/pom.xml bench/tables/%/jars.sha256
	rm -rf $@
	cd bench/tables/$* && mvn -q -B dependency:copy-dependencies -DoutputDirectory=../.jars-$*
	cd $@ && sha256sum --quiet -c ../$*/jars.sha256
	touch $@

# Further versions of one package, beside the one in .venv.
bench/tables/.duckdb-%: bench/tables/duckdb-%.txt bench/tables/.venv
	bench/tables/.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --upgrade --require-hashes --target $@ -r $<
	touch $@

bench/tables/.venv: bench/tables/requirements.txt
	python3 -m venv --clear $@
	$@/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

# -short does not try Airflow 2.
airflow: bench/airflow/.venv3 $(if $(filter -short,$(AIRFLOWFLAGS)),,bench/airflow/.venv2) ## the printed DAGs in a real Airflow (needs python3 and PyPI; Linux)
	cd bench/airflow && go test -timeout 60m $(AIRFLOWFLAGS) ./...

airflow-celery: bench/airflow/.venv3 bench/airflow/.celery ## windows spread over two Celery workers, with PostgreSQL and Redis (needs python3 and PyPI; Linux)
	cd bench/airflow && go test -tags celery -timeout 60m -v -run TestCelery .

# Beside Airflow, and not in its environment: nothing else needs it.
bench/airflow/.celery: bench/airflow/celery.txt bench/airflow/.venv3
	rm -rf $@
	bench/airflow/.venv3/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $@ -r $<
	touch $@

bench/airflow/.venv%: bench/airflow/airflow%.txt
	python3 -m venv --clear $@
	$@/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

picture: build ## README's picture of the demo, from a run at a pseudo-terminal
	cd bench/compare && go run ./picture -out ../../.github/demo.svg -shown 'tw2parquet demo' $(CURDIR)/bin/tw2parquet demo

released: ## keep what this release writes under testdata, for later ones to read; does nothing where that is kept already
	cd bench/compare && UPDATE=1 $(LAZY) go test $(KEEN) -count=1 -run TestReleased ./e2e

libzstd: ## the tests of what is written, with zstd through cgo
	go test -short -timeout 30m -tags libzstd ./sink/... && go test -short -timeout 30m -tags libzstd -run "Convert|Verify|Version" ./cmd/...
	cd bench/compare && E2E_BUILD_FLAGS=-tags=libzstd go test -timeout 30m -run 'Convert|Values' ./e2e

torture: ## kills, cuts, races, full disks and power cuts, TORTURE times as many as in test-all; ends with the figures
	TORTURE=$(TORTURE) CGO_ENABLED=0 go -C sink test -timeout 0 -run 'TestCrash_|TestFault_'
	TORTURE=$(TORTURE) go -C bench/compare/e2e test -timeout 0 -run TestTorture

fuzz: ## every fuzz target for FUZZTIME; a package is built once for all of its own
	@set -e; top=$$PWD; cache=$$(go env GOCACHE)/fuzz; \
	for p in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		CGO_ENABLED=0 $(LAZY) go test -c -fuzz . -o bin/fuzz.test $$p; cd $$p; \
		for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' *_test.go | cut -c6-); do echo "$$p $$f"; \
			$$top/bin/fuzz.test -test.run '^$$' -test.fuzz "^$$f\$$" -test.fuzztime $(FUZZTIME) -test.fuzzcachedir $$cache/$$p; done; \
		cd $$top; done

lint: export CGO_ENABLED := 0
lint: export GOGC := 400
lint: ## formatting, vet, the import fence, the workflows, go.mod files, what is committed
	@test -z "$$(git ls-files -ci --exclude-standard)" || { echo "committed, though .gitignore leaves it out:"; git ls-files -ci --exclude-standard; exit 1; }
	@for m in . $(patsubst %/go.mod,%,$(wildcard bench/*/go.mod)); do GOFLAGS= go -C $$m mod tidy -diff || { echo "$$m: run go mod tidy"; exit 1; }; done
	go run $(ACTIONLINT) -shellcheck= -pyflakes=
	go run $(GOLANGCI) run --allow-parallel-runners ./...
	cd bench/compare && go run -exec 'env CGO_ENABLED=1' $(GOLANGCI) run --allow-parallel-runners ./...
	cd bench/decode && go run $(GOLANGCI) run --allow-parallel-runners ./...
	cd bench/vuln && go run $(GOLANGCI) run --allow-parallel-runners ./...
	cd bench/ship && go run $(GOLANGCI) run --allow-parallel-runners ./...
	cd bench/lakes && go run $(GOLANGCI) run --allow-parallel-runners ./...
	cd bench/tables && go run $(GOLANGCI) run --allow-parallel-runners ./...
	cd bench/airflow && go run $(GOLANGCI) run --build-tags celery --allow-parallel-runners ./...

# bench/lakes, bench/airflow and bench/tables are left out: they run other people's servers, in tests only; bench/ship packs files of ours.
vuln: ## known vulnerabilities of our modules, without asking a server; fails on what a newer module mends
	cd bench/vuln && go run . ../.. ../compare ../decode .

vuln-now: ## known vulnerabilities that the binary can reach, as vuln.go.dev knows them today
	cd bench/vuln && go tool govulncheck -C ../.. ./...

# What goes where is said in bench/ship. RELEASEFLAGS=-tagged refuses all but a clean checkout of a version's tag.
release: ## archives, packages, image, bills of materials and checksums of the checkout's commit, in bin/release
	go -C bench/ship run . $(RELEASEFLAGS)

release-test: release ## install, run and remove them; make them again elsewhere: the same bytes? (needs dpkg, unshare, a clean checkout, and root, sudo or user namespaces; Linux)
	cd bench/ship && CGO_ENABLED=0 go test ./size && CGO_ENABLED=0 go test -timeout 60m . $(RELEASETESTFLAGS)

release-image: ## push the release's image: make release-image IMAGE=registry/name; REGISTRY_USER and REGISTRY_PASSWORD are read from the environment
	rm -rf bin/oci && mkdir -p bin/oci && tar -xf bin/release/tw2parquet_*_oci.tar -C bin/oci
	@test -z "$$REGISTRY_PASSWORD" || printf %s "$$REGISTRY_PASSWORD" | go run $(CRANE) auth login $(firstword $(subst /, ,$(IMAGE))) -u "$$REGISTRY_USER" --password-stdin
	go run $(CRANE) push --index bin/oci $(IMAGE):$(patsubst v%,%,$(VERSION))

size: ## what is in the binary, by module, with and without object stores
	cd bench/ship && go run ./size

bench: ## benchmarks: make bench BENCH=Decode
	CGO_ENABLED=0 go test -run '^$$' -bench '$(BENCH)' -benchmem $(BENCHFLAGS) ./...

bench-compare: build ## against DuckDB: time, memory, size (COMPAREFLAGS='-sides all', '-mode memory', …)
	go build -tags libzstd -ldflags "-s -w -X main.version=$(VERSION)" -o bin/tw2parquet-libzstd ./cmd/tw2parquet
	cd bench/compare && go run . $(COMPAREFLAGS)

bench-guard: build ## fails where time, memory or size are more than a tenth worse than what bench/results/guard.json kept, against DuckDB (COMPAREFLAGS=-update keeps these)
	cd bench/compare && go run . -mode guard -rounds 7 $(COMPAREFLAGS)

bench-peers: build bench/compare/peers/.venv ## the whole job against a notebook, dlt, and curl with DuckDB: time, memory, what a cut and a kill do (needs python3, PyPI and curl)
	cd bench/compare && go run . -mode peers -results 50000 -rounds 3 $(COMPAREFLAGS)

bench/compare/peers/.venv: bench/compare/peers/requirements.txt
	python3 -m venv --clear $@
	$@/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

demo: build ## the main job, end to end, on the embedded emulator
	bin/tw2parquet demo
	@$(MAKE) --no-print-directory query
	@printf '\nAll of it on one page, for your browser: ' && bin/tw2parquet report tw2parquet-demo

demo-s3: build ## the same into a bucket of an S3 server that it starts, read back over S3 (by DuckDB and its httpfs, where PyPI can be reached)
	-@$(MAKE) --no-print-directory bench/lakes/.venv
	CGO_ENABLED=0 go -C bench/lakes run ./demo -binary ../../bin/tw2parquet

query: ## DuckDB over Parquet files: make query SQL='…'
	@$(LAZY) go -C bench/compare build -o ../../bin/query ./query && bin/query "$$SQL"

clean: ## what the other targets left behind
	rm -rf bin tw2parquet-demo tw2parquet-report.html
