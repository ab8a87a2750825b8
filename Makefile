# Everything a reader needs to build, try and test crossring. `make` alone
# prints the targets. ARGS goes to the command of demo and repro.

ARGS ?=
# What is compiled does not depend on where the tree is: another clone finds it in the cache.
export GOFLAGS := $(shell go env GOFLAGS) -trimpath
FUZZTIME ?= 20s
MATRIX ?= pairs
# Packages without real servers; ./test has those.
UNIT = $$(go list ./... | grep -v '^crossring/test')

.PHONY: help build demo repro test test-long long-rings long-clusters long-lab long-faults matrix bench fuzz lint lint-macos vuln clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

build: ## compile bin/crossring
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/crossring .

demo: ## two regions of the newest Cassandra on loopback: write in one, read in the other
	@sh scripts/setup.sh newest
	bin/crossring demo $(ARGS)

repro: ## the experiment: Cassandra 1.2, a million rows
	@sh scripts/setup.sh oldest
	sh scripts/repro.sh $(ARGS)

test: ## lint, unit tests, real Cassandra, mostly 1.2 and 5.0 (at most 20 minutes)
	@sh scripts/setup.sh --race --tests all
	$(MAKE) lint
	@sh scripts/test.sh

test-long: ## every version, bigger clusters, every kill point; prints what each part took
	@sh scripts/setup.sh --race --tests all
	$(MAKE) lint lint-macos vuln
	@$(call part,units,CROSSRING_LONG=1 go test -race -timeout 60m $(UNIT))
	@$(call part,smart cards,CGO_ENABLED=1 go test -tags pkcs11 -run TestToken ./internal/pki)
	$(MAKE) -k -j 2 long-faults long-rings

# part runs a command, and says what it took.
part = begun=$$(date +%s); $(2); rc=$$?; echo "part $(1): $$(($$(date +%s) - begun)) s"; exit $$rc

# What starts Cassandra goes in two parts, one after the other: ./test, whose tests run side
# by side as far as six servers go, the matrix among them, and the lab. Beside them goes what
# only talks to an emulator.
long-rings:
	@rc=0; for part in long-clusters long-lab; do $(MAKE) $$part || rc=1; done; exit $$rc
long-clusters:
	@$(call part,$@,CROSSRING_LONG=1 go test -v -count 1 -parallel 64 -timeout 4h -skip '^TestSuiteOnEC2$$' ./test)
long-lab:
	@$(call part,$@,CROSSRING_LONG=1 go test -v -count 1 -timeout 2h ./test/awslab && CROSSRING_LONG=1 go test -v -count 1 -timeout 60m -run '^TestSuiteOnEC2$$' ./test)
long-faults:
	@$(call part,$@,CROSSRING_LONG=1 go test -v -count 1 -timeout 3h ./test/awsfault)

matrix: ## version x provider x partitioner x topology x TLS, as a table (MATRIX=all: every cell, hours)
	@sh scripts/setup.sh --tests all
	CROSSRING_LONG=1 CROSSRING_MATRIX=$(MATRIX) go test -v -count 1 -parallel 64 -run '^TestMatrix$$' -timeout 6h ./test

bench: ## benchmarks of the packages, then of real servers
	@sh scripts/setup.sh newest
	@sh scripts/test.sh bench

fuzz: ## every fuzz target for FUZZTIME (20s)
	@sh scripts/fuzz.sh $(FUZZTIME)

lint: ## gofmt; vet, errcheck and more (scripts/lint has why); staticcheck; shellcheck where it is installed
	@unformatted=$$(gofmt -l .); \
	    if [ -n "$$unformatted" ]; then echo "not as gofmt writes it: $$unformatted"; exit 1; fi
	go vet -vettool=$$(go tool -n lint) ./...
	go tool staticcheck ./...
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; else echo "no shellcheck: scripts not checked"; fi

# make test-long has this: it compiles everything once more.
lint-macos: ## vet for macOS
	CGO_ENABLED=0 GOOS=darwin go vet $(UNIT)

# Asks a database in the network, and says so where there is none.
vuln: ## known vulnerabilities in what crossring calls
	@sh scripts/vuln.sh

clean: ## remove what was built; jars and clusters stay
	rm -rf bin
