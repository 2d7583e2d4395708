# Thin names for the scripts. `make help` for those of every day, `make help-all` for every one.
SHELL := /bin/sh
.DEFAULT_GOAL := help
RUN := scripts/lib/launch
STEP ?=
AT_ONCE ?= 2
e2e := $(sort $(wildcard tests/e2e/*.test.ts))
measured := $(patsubst %,tests/e2e/%.test.ts,metrics backup policies sealed-secrets)
unit := tests/unit.test.ts $(wildcard tests/unit/*.waits.test.ts tests/unit/*/*.waits.test.ts)
manifests := tests/manifests.test.ts $(wildcard tests/manifests/*.waits.test.ts)
fuzz := $(sort $(wildcard tests/fuzz/*.test.ts))
faults := tests/faults/quick.test.ts
cluster := $(sort $(wildcard tests/cluster/$(or $(PART),*).test.ts))
# A file of tests that does not end has failed, after so many milliseconds.
NODE_TEST := node --disable-warning=ExperimentalWarning --import ./scripts/lib/typescript.mjs --test --test-reporter=spec \
	--test-timeout=1800000

.PHONY: help help-all setup configure install plan doctor adopt uninstall status upgrade outdated mirror test-ingress test-alert \
	test-applications sync logs add-app remove-app promote backup backups restore seal rotate-keys backup-keys restore-keys \
	credentials trust-ca network-policies proxmox rehearse sandbox sandbox-status sandbox-down test test-unit test-manifests test-e2e \
	test-cluster test-fuzz test-faults faults check fix metrics-list docs bench programs \
	diff policies validate validate-yaml validate-manifests lint-workflows scan scan-images

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:[^#]*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

help-all: ## every target
	@awk 'BEGIN {FS = ":.*##+ "} /^[a-z0-9-]+:.*##/ {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: node_modules/.package-lock.json ### install what the scripts need (Node packages)

node_modules/.package-lock.json: package-lock.json package.json
	@command -v npm > /dev/null || { echo '✗ npm is not installed'; echo '  fix  install Node 20 or later: https://nodejs.org'; exit 2; }
	npm ci --no-audit --no-fund
	@touch $@

rehearse: setup ## all of it on a throw-away control plane here (FAST=1: the platform alone; NODES="4x8Gi 2x4Gi")
	@$(RUN) scripts/rehearse.ts $(if $(NODES),--nodes "$(NODES)") $(if $(FAST),--fast) $(if $(KEEP),--keep)

configure: setup ## write .env: looks, proposes, asks only what it cannot know (ENV=staging)
	@$(RUN) scripts/configure.ts

install: setup ## build it on the cluster in .env (STEP=04 for one step)
	@$(if $(STEP),$(wildcard bootstrap/$(STEP)-*.ts),bootstrap/bootstrap-all.ts)

plan: setup ## what install would change; writes nothing (STEP=04 for one step)
	@$(if $(STEP),$(wildcard bootstrap/$(STEP)-*.ts),bootstrap/bootstrap-all.ts) --plan

doctor: setup ## what is in the way of an install, and the way out; writes nothing
	@$(RUN) scripts/doctor.ts

adopt: setup ### take over what Argo CD has of the platform; shows it first (PLAN=1: only that)
	@$(RUN) scripts/adopt.ts $(if $(PLAN),--plan) $(if $(CONFIRM),--confirm "$(CONFIRM)")

uninstall: setup ## take it off again: shows what goes and what stays, then asks (STEP=04 for one step)
	@$(if $(STEP),$(wildcard bootstrap/$(STEP)-*.ts),bootstrap/bootstrap-all.ts) --uninstall $(if $(CONFIRM),--confirm "$(CONFIRM)")

status: setup ## how it is: health, versions, addresses, certificates
	@$(RUN) scripts/status.ts

test-ingress: setup ## every published host from outside: name, certificate, page (HOST=NAME for one)
	@$(RUN) scripts/test-ingress.ts $(if $(HOST),--host "$(HOST)")

test-applications: setup ## every application: synced, healthy, answers, data flows (APP=NAME for one)
	@$(RUN) scripts/test-applications.ts $(if $(APP),--app "$(APP)")

sync: setup ## what was pushed is in the cluster now, not at the next poll (APP=NAME for one)
	@$(RUN) scripts/sync.ts $(if $(APP),--app "$(APP)")

logs: setup ## what the pods of an application say, failing ones first (APP=NAME, LINES=50, ALL=1)
	@$(RUN) scripts/logs.ts --app "$(APP)" $(if $(LINES),--lines "$(LINES)") $(if $(ALL),--all)

add-app: setup ## an application of your own, as one commit (NAME=… IMAGE=…:1.2 PORT=… PVC=1Gi)
	@$(RUN) scripts/add-app.ts --name "$(NAME)" --image "$(IMAGE)" --port "$(PORT)" $(if $(PVC),--pvc "$(PVC)") \
	  $(if $(MOUNT),--mount "$(MOUNT)") $(if $(MEMORY),--memory "$(MEMORY)") $(if $(RUN_AS),--user "$(RUN_AS)") $(if $(YES),--yes)

remove-app: setup ### an application leaves: first Git, then, confirmed, the cluster (NAME=…)
	@$(RUN) scripts/remove-app.ts --name "$(NAME)" $(if $(CONFIRM),--confirm "$(CONFIRM)") $(if $(YES),--yes)

promote: setup ### an environment gets the versions of another (FROM=staging TO=prod)
	@$(RUN) scripts/promote.ts --from "$(FROM)" --to "$(TO)" $(if $(YES),--yes) $(if $(PLAN),--plan)

diff: setup ### what a branch changes in the cluster, by Argo CD (BASE=main FULL=FILE); LIVE=1: Git against the cluster
	@$(RUN) scripts/diff.ts $(if $(BASE),--base "$(BASE)") $(if $(FULL),--full "$(FULL)") $(if $(LIVE),--live)

policies: setup ### what the policies ask, what is against them, the report on the CIS benchmark
	@$(RUN) scripts/policies.ts

test-alert: setup ### a test alert through Alertmanager: which channel takes it
	@$(RUN) scripts/test-alert.ts

upgrade: setup ## what moves to which version, and the way back (APPLY=1 does it; STEP=04, DOWNGRADE=1)
	@$(RUN) scripts/upgrade.ts $(if $(APPLY),--apply) $(if $(STEP),--only "$(STEP)") $(if $(DOWNGRADE),--allow-downgrade)

outdated: setup ### is there something newer than what is pinned? Needs internet
	@$(RUN) scripts/upgrade.ts --newer

mirror: setup ### a folder from which every pinned chart installs without internet (DIR=PATH, PRUNE=1)
	@$(RUN) scripts/mirror.ts $(if $(DIR),--dir "$(DIR)") $(if $(PRUNE),--prune)

credentials: setup ## the generated passwords: which there are and how to read them
	@$(RUN) scripts/credentials.ts

backup: setup ## a backup now, and what is in it (NAMESPACES=a,b for those only)
	@$(RUN) scripts/backup.ts $(if $(NAMESPACES),--namespaces "$(NAMESPACES)")

backups: setup ### which backups there are, and whether one can count on them
	@$(RUN) scripts/backups.ts

restore: setup ## shows what would come back, asks, restores (BACKUP=NAME NAMESPACE=a,b PLAN=1 OVERWRITE=1)
	@$(RUN) scripts/restore.ts $(if $(BACKUP),--backup "$(BACKUP)") $(if $(NAMESPACE),--namespace "$(NAMESPACE)") $(if $(OVERWRITE),--overwrite) $(if $(PLAN),--plan) $(if $(CONFIRM),--confirm "$(CONFIRM)")

seal: setup ### secrets as sealed files for Git (NAME=NAMESPACE/NAME FROM=FILE or - for one of yours; PLAN=1)
	@$(RUN) scripts/seal.ts $(if $(NAME),--name "$(NAME)") $(if $(FROM),--from "$(FROM)") $(if $(PLAN),--plan)

rotate-keys: setup ### a new sealing key, and every sealed file in Git sealed with it; asks first
	@$(RUN) scripts/rotate-keys.ts $(if $(CONFIRM),--confirm "$(CONFIRM)") $(if $(RESEAL),--reseal)

backup-keys: setup ### the one encrypted file that, with Git, rebuilds the lab (OUT=FILE; CHECK=1 looks into it)
	@$(RUN) scripts/backup-keys.ts $(if $(OUT),--out "$(OUT)") $(if $(CHECK),--check)

restore-keys: setup ### from that file into a new cluster, before make install (FROM=FILE)
	@$(RUN) scripts/restore-keys.ts $(if $(FROM),--from "$(FROM)") $(if $(CONFIRM),--confirm "$(CONFIRM)")

trust-ca: setup ### the lab's CA certificate, and how devices come to trust it
	@$(RUN) scripts/trust-ca.ts

network-policies: setup ### what closing the namespaces would cut; asks, closes (PLAN=1; UNDO=1 opens again)
	@$(RUN) scripts/network-policies.ts $(if $(PLAN),--plan) $(if $(UNDO),--undo) $(if $(CONFIRM),--confirm "$(CONFIRM)")

proxmox: setup ### Proxmox VE sends its figures to InfluxDB (PLAN=1 shows it first, ID=NAME)
	@$(RUN) scripts/proxmox.ts $(if $(PLAN),--plan) $(if $(ID),--id "$(ID)")

sandbox: setup ### a throw-away control plane to play with (NODES=… WITH=argocd); use it with --sandbox
	@$(RUN) scripts/sandbox.ts up $(if $(NODES),--nodes "$(NODES)") $(if $(WITH),--with "$(WITH)")

sandbox-status: setup ### what the sandbox runs
	@$(RUN) scripts/sandbox.ts status

sandbox-down: setup ### end it
	@$(RUN) scripts/sandbox.ts down

check: setup ### types, lint, YAML, generated files, unit tests and manifests: half a minute
	@node_modules/.bin/tsc
	@node_modules/.bin/biome ci --error-on-warnings .
	@$(RUN) scripts/validate-yaml.ts
	@$(RUN) scripts/docs.ts --check
	@$(NODE_TEST) --test-concurrency=3 tests/waits.test.ts tests/unit.test.ts tests/manifests.test.ts

validate: validate-yaml lint-workflows validate-manifests scan ### what a pull request is asked, but for the tests themselves

validate-yaml: setup ### every YAML file, read strictly: file, line and key of what is wrong
	@$(RUN) scripts/validate-yaml.ts

validate-manifests: setup ### every manifest by the API server with the real CRDs, and by kubeconform
	@$(NODE_TEST) --test-concurrency=1 $(manifests) tests/validate/manifests.test.ts

lint-workflows: setup ### the workflows by actionlint and zizmor
	@$(NODE_TEST) tests/validate/workflows.test.ts

scan: setup ### misconfigurations and secrets, by Trivy, and by gitleaks over the history
	@$(NODE_TEST) tests/validate/scan.test.ts

scan-images: setup ### known vulnerabilities of every image, as Markdown; needs a network, never fails for what it finds
	@$(RUN) scripts/scan-images.ts

test: check test-e2e test-faults test-fuzz ## check, the scripts as processes on a real control plane, faults, a minute of wrong input

test-fuzz: setup ### a minute of wrong input (FUZZ_SEED, FUZZ_SECONDS, FUZZ_CASE)
	@$(NODE_TEST) $(fuzz)

test-unit: setup ### the unit tests
	@$(NODE_TEST) --test-concurrency=2 $(unit)

test-manifests: setup ### every rendered manifest: references, security, schemas
	@$(NODE_TEST) --test-concurrency=2 $(manifests)

test-e2e: setup ### the scripts as processes on the sandbox (AT_ONCE=4: that many files, on as many cores)
	@$(NODE_TEST) --test-concurrency=$(AT_ONCE) $(e2e)

test-faults: setup ### the quick part of the fault matrix
	@$(NODE_TEST) $(faults)

faults: setup ### every fault of the catalogue: survived, or refused with its cause (ROWS=K1,A1 LIST=1 AGAIN=1 RECORD=1 REPEAT=50)
	@$(RUN) tests/faults/run.ts $(if $(LIST),--list) $(if $(ROWS),--rows "$(ROWS)") $(if $(AGAIN),--again) $(if $(SEED),--seed $(SEED)) $(if $(RECORD),--record) $(if $(REPEAT),--repeat $(REPEAT))

test-cluster: setup ### the platform on a real node (CLUSTER=KUBECONFIG CONTEXT=NAME POOL=FIRST-LAST for one of yours, PART=applications)
	@CLUSTER="$(CLUSTER)" CONTEXT="$(CONTEXT)" POOL="$(POOL)" $(NODE_TEST) --test-timeout=5400000 --test-concurrency=1 $(cluster)

fix: setup ### format, and mend what the linter can
	@node_modules/.bin/biome check --write .

metrics-list: setup ### which metrics programs serve: the running sandbox's, all that run here (make programs, then ALL=1), or PROGRAM=… VERSION=… URL=…
	@$(if $(ALL),METRICS_LIST=1 $(NODE_TEST) --test-concurrency=1 $(measured),$(RUN) scripts/metrics-list.ts $(if $(PROGRAM),--program "$(PROGRAM)") $(if $(VERSION),--version "$(VERSION)") $(if $(URL),--url "$(URL)"))

docs: setup ### write anew what is made of the code: .env.example, pages, dashboards
	@$(RUN) scripts/docs.ts

bench: setup ### cold bootstrap against helmfile and plain helm, same charts, same control plane
	@$(RUN) scripts/bench.ts

programs: setup ### build the sandbox's programs only, all optional ones included
	@$(RUN) scripts/sandbox.ts programs --all
