# Everything to be done with Delfos, from a fresh clone and with Go alone:
# `make help` lists it. Tools are pinned in tools/, one module each, and
# `go tool` builds them into Go's own cache.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# How long make fuzz tries each reader.
FUZZTIME ?= 1m
# How long make soak breaks things.
SOAK ?= 20m
# What a release is built for.
SYSTEMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64
COMPOSE = DELFOS_VERSION='$(VERSION)' DELFOS_COMMIT='$(COMMIT)' docker compose

# CGO_ENABLED=0: no tool needs a C compiler.
tool = CGO_ENABLED=0 $(GO) tool -modfile=tools/$(1)/go.mod $(1)

.PHONY: help generate build demo test race check cross dist check-release check-contract check-deploy fuzz soak kubernetes-schemas check-formats check-spec check-examples check-poolers check-citus check-console check-observability screenshots check-variable lint format vet plugin-test deadcode count drift sqlc-vet atlas-check bench db-up db-down db-migrate seeds run-dev up down clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-20s %s\n", $$1, $$2 }' Makefile

generate: ## Write gen/ anew from openapi.yaml, schema/ and queries/ (needs no database)
	@# The generators are built before anything is removed.
	@$(call tool,sqlc) version >/dev/null
	@for plugin in schema rows; do CGO_ENABLED=0 $(GO) build -C tools/sqlc-gen-$$plugin -buildvcs=false -o '$(CURDIR)/bin/' . || exit; done
	@$(call tool,oapi-codegen) -version >/dev/null
	@CGO_ENABLED=0 $(GO) build -C tools/console -buildvcs=false -o '$(CURDIR)/bin/console' .
	@# The templates of the module, as tools/oapi-codegen/templates changes them.
	@# The ceiling has git take the folder for one outside a repository, which may ignore it.
	@rm -rf bin/oapi-codegen && mkdir -p bin
	@cp -R "$$($(GO) list -m -modfile=tools/oapi-codegen/go.mod -f '{{.Dir}}' github.com/oapi-codegen/oapi-codegen/v2)/pkg/codegen/templates" bin/oapi-codegen
	@chmod -R u+w bin/oapi-codegen
	@cd bin/oapi-codegen && GIT_CEILING_DIRECTORIES="$$(dirname "$$PWD")" git apply "$(CURDIR)"/tools/oapi-codegen/templates/*.patch
	@# The page's types are written where node is; elsewhere they stay as they are.
	@mkdir -p gen/console && mv gen/console/openapi.ts bin/ 2>/dev/null || true
	rm -rf gen
	$(call tool,sqlc) generate
	@set -e; for config in tools/oapi-codegen/*.yaml; do \
		package=$$(basename "$$config" .yaml); mkdir -p "gen/$$package"; \
		echo "oapi-codegen $$package"; $(call tool,oapi-codegen) -config "$$config" openapi.yaml; \
	done
	@mkdir -p gen/console
	@if command -v npm >/dev/null && $(MAKE) tools/console/node_modules/.package-lock.json; then \
		echo "openapi-typescript console"; tools/console/node_modules/.bin/openapi-typescript openapi.yaml --output gen/console/openapi.ts >/dev/null; \
	else mv bin/openapi.ts gen/console/; fi
	@echo "esbuild console"; bin/console

tools/console/node_modules/.package-lock.json: tools/console/package-lock.json
	npm ci --prefix tools/console --no-audit --no-fund
	@touch $@

# With the flags of a plain go build, so that its cache serves; the image's binary is static.
build: ## Build bin/delfos
	$(GO) build -buildvcs=false -ldflags '-X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o bin/delfos .

demo: build ## Run the whole system on this machine: databases, ten days of wind, both APIs, orchestrator; Ctrl-C ends it
	@exec bin/delfos demo

# Tests that wait leave the cores to others, so that more of them run at once than there
# are cores. Without the tables of a debugger, a hundred programs are linked in half the time.
test: ## Run every test (needs curl, psql and PostgreSQL's server programs)
	$(call gotest,CGO_ENABLED=0 $(GO),-parallel 4,./...,$(GO) -C bench test -count=1 -json ./...)

# What runs beside something else. A program under the race detector would wait a second before it ends.
RACE ?= ./etl/... ./server/... ./internal/test/endtoend ./internal/service ./internal/notify ./internal/apiclient ./internal/pgpool
race: ## Run the tests of what is concurrent under the race detector (needs gcc; RACE=./... is all)
	@cc=$$($(GO) env CC); command -v "$${cc%% *}" >/dev/null || { \
		echo "make race: no C compiler ($$cc), which the race detector needs: install gcc (Debian: apt-get install gcc libc6-dev)" >&2; exit 1; }
	$(call gotest,GORACE=atexit_sleep_ms=10 $(GO),-race -parallel 4,$(RACE),true)

# gotest GO,FLAGS,PACKAGES,MORE runs tests on one PostgreSQL server. Their programs are kept under
# bin/, which go links anew only where something changed. gotestsum's own build has no C.
define gotest
	@for program in curl psql; do command -v $$program >/dev/null || { \
		echo "make $@: no $$program, which the tests of README's lines call: install it (Debian: apt-get install curl postgresql)" >&2; exit 1; }; done
	@mkdir -p bin/$@; sum=$$(CGO_ENABLED=0 $(GO) tool -n -modfile=tools/gotestsum/go.mod gotestsum); \
	"$$sum" --hide-summary=skipped --jsonfile bin/$@.json --post-run-command "sh tools/gotestsum/total.sh bin/$@.json" \
		--raw-command -- $(GO) run ./internal/test/withpostgres sh -c 'set -e; status=0; \
			packages=$$($(GO) list -f "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}" $(3)); \
			$(1) test $(2) -ldflags "-s -w" -count=1 -timeout 20m -json -o bin/$@/ $${packages:?none has tests} || status=$$?; \
			$(4) || status=$$?; exit $$status'
endef

# go test fuzzes one function at a time: they are listed by the packages' own tests. Before Go 1.27
# it takes its own end for a failure now and then (go.dev/issue/75804), one that has no input.
fuzz: ## Try every reader of outside input with made-up input (FUZZTIME=10s each; what fails is kept under testdata/fuzz)
	@set -e; mkdir -p bin; found=$$(git ls-files '*_test.go' | xargs grep -n '^func Fuzz[A-Z]' | sed -E 's#^(.*)/[^/]*:[0-9]+:func (Fuzz[A-Za-z0-9]+).*#\1 \2#'); \
	[ -n "$$found" ] || { echo "make fuzz: no function Fuzz… is found" >&2; exit 1; }; \
	echo "$$found" | while read -r package name; do \
		CGO_ENABLED=0 $(GO) test "./$$package" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s </dev/null >bin/fuzz.log 2>&1 && failed= || failed=1; \
		cat bin/fuzz.log; [ -z "$$failed" ] || { grep -q '^    context deadline exceeded$$' bin/fuzz.log && ! grep -q 'Failing input' bin/fuzz.log; } || exit 1; done

soak: ## Break something of a whole system every few seconds, then compare all of it (SOAK=20m; needs PostgreSQL's server programs)
	@mkdir -p bin/soak
	@SOAK='$(SOAK)' CGO_ENABLED=0 $(GO) test -tags soak -count=1 -timeout 24h -v -run '^TestSoak$$' ./internal/test/endtoend -artifacts -outputdir '$(CURDIR)/bin/soak'

check: lint vet cross check-contract check-deploy plugin-test deadcode drift sqlc-vet atlas-check ## Everything that CI asks beside the tests: lint, vet, drift of gen/, queries against a database, Atlas

lint: ## Check format, style, import rules (golangci-lint) and openapi.yaml (vacuum)
	$(call tool,golangci-lint) fmt --diff
	$(call tool,golangci-lint) run ./...
	linter=$$(CGO_ENABLED=0 $(GO) tool -n -modfile=tools/golangci-lint/go.mod golangci-lint) && cd bench && CGO_ENABLED=0 "$$linter" run ./...
	$(call tool,vacuum) lint --ruleset tools/vacuum/rules.yaml --fail-severity warn --details --silent --no-style --no-banner openapi.yaml

format: ## Format the Go code as lint wants it
	$(call tool,golangci-lint) fmt

vet:
	$(GO) vet -tags atlas,browser,citus,node,observability,pgbouncer,release,soak,variable ./...

cross: ## Check that delfos builds for every system of a release
	@set -e; for system in $(SYSTEMS); do \
		GOOS=$${system%/*} GOARCH=$${system#*/} CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -o /dev/null . || { echo "delfos does not build for $$system" >&2; exit 1; }; \
		echo "delfos builds for $$system"; done

# Modules of their own, which the tests of the others leave out.
plugin-test:
	CGO_ENABLED=0 $(GO) test -C tools/sqlc-gen-rows -count=1 ./...
	CGO_ENABLED=0 $(GO) test -C tools/sqlc-gen-schema -count=1 ./...

deadcode: ## List what cannot be reached from main; nothing generated may be among it
	@dead=$$($(call tool,deadcode) -generated .) || exit 1; \
	[ -z "$$dead" ] || echo "$$dead"; \
	if echo "$$dead" | grep -q '^gen/'; then \
		echo "generated code that never runs: leave it out by the configuration of its generator" >&2; exit 1; \
	fi; echo "all of gen/ can be reached"

# The product is what a user gets: no tests, benchmarks, tools.
count: ## Count the lines of Go that are written by hand, and those that are generated
	@lines() { xargs cat | wc -l; }; \
	hand=$$(git ls-files '*.go' | grep -Ev '_test\.go$$|^(bench|examples|gen|tools|internal/test)/' | lines); \
	generated=$$(git ls-files 'gen/*.go' | lines); \
	dead=$$($(call tool,deadcode) -generated . | grep -c '^gen/' || true); \
	echo "$$hand lines are written by hand, $$generated are generated; $$dead generated functions cannot be reached"

# gen/ is written anew in a copy, so that the working tree stays as it is.
drift:
	@set -e; copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT INT TERM; \
	mkdir -p "$$copy/gen/console" "$$copy/server"; cp gen/console/openapi.ts "$$copy/gen/console"; \
	cp -R Makefile go.mod go.sum openapi.yaml sqlc.yaml schema queries tools "$$copy"; cp -R server/console "$$copy/server"; \
	$(MAKE) -C "$$copy" generate GO='$(GO)' >/dev/null; \
	diff -r -u gen "$$copy/gen" || { echo "gen/ is not what the contracts make: run make generate and commit gen/" >&2; exit 1; }; \
	echo "gen/ is what the contracts make"

sqlc-vet:
	CGO_ENABLED=0 $(GO) run ./tools/withpg $(GO) tool -modfile=tools/sqlc/go.mod sqlc vet
	@echo "PostgreSQL takes every query"

atlas-check:
	CGO_ENABLED=0 $(GO) test -tags atlas -count=1 ./internal/test/atlascli

# psql's part is a test of make test too.
check-formats: ## Read every format back with programs that are not ours (needs node, npm, psql)
	@for program in node npm psql; do command -v $$program >/dev/null || { \
		echo "make check-formats: no $$program: install it (Debian: apt-get install nodejs npm postgresql)" >&2; exit 1; }; done
	npm ci --prefix tools/readers --no-audit --no-fund
	CGO_ENABLED=0 $(GO) test -tags node -count=1 -run Read ./internal/test/interop

check-spec: ## Have redocly and four generators of clients read the contract, and their clients a day (needs node, npm)
	@for program in node npm; do command -v $$program >/dev/null || { \
		echo "make check-spec: no $$program: install it (Debian: apt-get install nodejs npm)" >&2; exit 1; }; done
	npm ci --prefix tools/openapi --no-audit --no-fund
	CGO_ENABLED=0 $(GO) test -tags node -count=1 -run Others ./internal/test/example

check-examples: ## Run the recipes of examples/ against a loaded month (needs curl, jq, R with jsonlite, Debian's pandas, node, npm)
	@for program in curl jq Rscript node npm; do command -v $$program >/dev/null || { \
		echo "make check-examples: no $$program: install it (Debian: apt-get install curl jq r-base-core r-cran-jsonlite python3-pandas nodejs npm)" >&2; exit 1; }; done
	npm ci --prefix tools/readers --no-audit --no-fund
	CGO_ENABLED=0 $(GO) test -tags node -count=1 -run 'Recipes|Semicolons' ./internal/test/example

check-poolers: ## Run the whole way through PgBouncer (needs pgbouncer and PostgreSQL's server programs)
	@command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || { \
		echo "make check-poolers: no pgbouncer: install it (Debian: apt-get install pgbouncer)" >&2; exit 1; }
	CGO_ENABLED=0 $(GO) test -tags pgbouncer -count=1 -run PgBouncer ./internal/test/endtoend

check-citus: ## Run the whole way on a cluster (needs PostgreSQL's server programs with Citus; DELFOS_PG_BIN names their folder)
	CGO_ENABLED=0 $(GO) test -tags citus -count=1 -run Citus ./internal/test/endtoend

check-console: tools/console/node_modules/.package-lock.json ## Check the console's TypeScript, its libraries, and its page in Chromium (needs node, npm, chromium)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
		echo "make check-console: no chromium: install it (Debian: apt-get install chromium)" >&2; exit 1; }
	tools/console/node_modules/.bin/tsc -p server/console
	@# The libraries are those of npm, byte for byte.
	@set -e; cd server/console/vendor; for file in $$(find . -type f); do \
		case $$file in ./flechette/flechette.mjs) from=@uwdata/flechette/dist/flechette.mjs ;; ./flechette/*) from=@uwdata/$${file#./} ;; \
		./uplot/uPlot.*) from=uplot/dist/$${file#./uplot/} ;; *) from=$${file#./} ;; esac; \
		cmp "$$file" "../../../tools/console/node_modules/$$from"; done
	CGO_ENABLED=0 $(GO) test -tags browser -count=1 -timeout 20m ./internal/test/browser

check-observability: ## Break a system on purpose under a real Prometheus: every alert fires, every query of the dashboard has data (needs prometheus)
	@for program in prometheus promtool; do command -v $$program >/dev/null || { \
		echo "make check-observability: no $$program: install it (Debian: apt-get install prometheus)" >&2; exit 1; }; done
	CGO_ENABLED=0 $(GO) run ./internal/test/withpostgres $(GO) test -tags observability -count=1 -timeout 20m ./internal/test/observability

screenshots: ## Write the pictures of docs/img anew, of what the demo shows (needs chromium)
	CGO_ENABLED=0 $(GO) test -tags browser -count=1 -run Screenshots ./internal/test/browser -screenshots

check-variable: ## Add a variable to a copy of the tree, by its contracts alone, and go the whole way with it (needs git)
	CGO_ENABLED=0 $(GO) test -tags variable -count=1 ./internal/test/variable

# SIGNING_KEY=FILE signs the checksums; SECURITY.md says by which key, and how to verify them.
dist: ## Write bin/dist: archives of every system, bills of materials, checksums (VERSION=v1.0.0, SIGNING_KEY=FILE)
	@sbom=$$(CGO_ENABLED=0 $(GO) tool -n -modfile=tools/cyclonedx-gomod/go.mod cyclonedx-gomod) && \
	CGO_ENABLED=0 $(GO) run ./tools/release -version '$(VERSION)' -sbom "$$sbom" -key '$(SIGNING_KEY)' -out bin/dist $(SYSTEMS)

check-release: ## Make a release twice, compare, verify it as SECURITY.md says, and run its demo (needs git, ssh-keygen, PostgreSQL's programs)
	@command -v ssh-keygen >/dev/null || { echo "make check-release: no ssh-keygen: install it (Debian: apt-get install openssh-client)" >&2; exit 1; }
	SYSTEMS='$(SYSTEMS)' CGO_ENABLED=0 $(GO) test -tags release -count=1 -timeout 40m ./tools/release

check-contract: ## Refuse changes of openapi.yaml that break clients of the last release (api/) without a new major version
	@oasdiff=$$(CGO_ENABLED=0 $(GO) tool -n -modfile=tools/oasdiff/go.mod oasdiff) && sh tools/oasdiff/check.sh "$$oasdiff"

check-deploy: ## Check the Kubernetes manifests against Kubernetes' own schemas, and the systemd units (needs systemd-analyze)
	$(call tool,kubeconform) -strict -summary -ignore-filename-pattern 'kustomization.yaml|\.json$$' \
		-schema-location 'deploy/kubernetes/schemas/{{.ResourceKind}}{{.KindSuffix}}.json' deploy/kubernetes
	@command -v systemd-analyze >/dev/null || { echo "make check-deploy: no systemd-analyze: install it (Debian: apt-get install systemd)" >&2; exit 1; }
	@# systemd wants the program to exist, and reads drop-ins from where it finds units.
	@set -e; units=$$(mktemp -d); trap 'rm -rf "$$units"' EXIT; cp -R deploy/systemd/. "$$units"; \
	sed -i.bak 's#/usr/local/bin/delfos#/bin/true#' "$$units"/*.service; export SYSTEMD_UNIT_PATH="$$units:"; \
	for unit in migrate api orchestrator worker@1; do systemd-analyze verify --man=no "$$units/delfos-$$unit.service"; done; \
	for unit in migrate api orchestrator; do systemd-analyze security --no-pager --offline=true --threshold=20 "$$units/delfos-$$unit.service" | tail -n 1; done

kubernetes-schemas: ## Write the schemas of check-deploy anew (needs jq)
	@set -e; swagger="$$($(GO) mod download -json k8s.io/kubernetes@v1.34.2 | jq -r .Dir)/api/openapi-spec/swagger.json"; \
	for kind in core.v1.Namespace core.v1.ConfigMap core.v1.Secret core.v1.ServiceAccount core.v1.Service apps.v1.Deployment batch.v1.Job \
		policy.v1.PodDisruptionBudget networking.v1.NetworkPolicy; do \
		file="$$(echo "$$kind" | awk -F. '{ print tolower($$3) ($$1 == "core" ? "" : "-" $$1) "-" $$2 }')"; \
		jq -c --arg name "io.k8s.api.$$kind" -f tools/kubeconform/schemas.jq "$$swagger" >"deploy/kubernetes/schemas/$$file.json"; done

# BENCH=-quick sees in a minute that all of it works; bench/main.go has the other flags.
bench: build ## Measure against psql and pgbench on databases of its own, and write bench/RESULTS.md (needs PostgreSQL's programs; BENCH=-quick: one short round)
	@for program in psql pgbench; do command -v $$program >/dev/null || { \
		echo "make bench: no $$program, which the baselines are: install it (Debian: apt-get install postgresql)" >&2; exit 1; }; done
	@echo "running the Go benchmarks, output in bin/gobench.txt"
	@$(GO) test -run '^$$' -bench . -benchmem ./... >bin/gobench.txt || { cat bin/gobench.txt >&2; exit 1; }
	@CGO_ENABLED=0 $(GO) -C bench build -o ../bin/bench .
	@bin/bench -gobench bin/gobench.txt -version '$(VERSION)' $(BENCH)

db-up: build ## Start the two databases alone, on 5433 and 5434
	bin/delfos postgres start

db-down: build ## Stop them
	bin/delfos postgres stop

db-migrate: build ## Bring the schemas up to date
	bin/delfos schema apply source target river

seeds: build ## Write ten days of wind into the source
	bin/delfos seed

run-dev: build ## Start databases, schemas and samples, then serve the API on 8000; Ctrl-C ends the API
	bin/delfos postgres start
	bin/delfos schema apply source target river
	bin/delfos seed
	@exec bin/delfos serve

up: ## Start everything in containers
	$(COMPOSE) up --build -d

down: ## Stop the containers; their volumes stay
	$(COMPOSE) down

clean: ## Remove what was built and the databases under .delfos/
	@if [ -d .delfos ] && [ -x bin/delfos ]; then bin/delfos postgres stop; fi
	rm -rf bin .delfos
