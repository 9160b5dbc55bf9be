# A fresh machine needs Python 3.11 or newer, make, and package registries. `make demo` is the whole story.
PYTHON ?= python3
DATA ?= sample
ENV ?= dev
BASE_IMAGE ?= python:3.11-slim-bookworm
BIN := .venv/bin

.PHONY: help setup demo test lint controls faults fuzz bench bench-models docs lock synth bootstrap diff deploy images sbom image-test clean

help:  ## What can be made.
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup:  ## Environment in .venv, emulator and Node in .local/tools; repeated, it costs nothing.
	@$(PYTHON) requirements/install.py

demo: setup  ## Deploy into the local AWS and retune on DATA=sample|simulated|yahoo|FOLDER.
ifeq ($(DATA),simulated)
	$(BIN)/amts run --data $(DATA) --lookback-days 730
	$(BIN)/amts run --data $(DATA) --mode daily
	$(BIN)/amts status
else
	$(BIN)/amts run --data $(DATA)
endif

test: setup  ## Every test, in up to four processes; what is skipped says why.
	$(BIN)/pytest -rs --numprocesses auto --maxprocesses 4 --dist loadfile

lint: setup  ## ruff and mypy --strict.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

faults: setup  ## Both machines under 200 runs with faults, from a seed: docs/reliability.md. Half an hour and more.
	PATH="$(CURDIR)/.local/tools/bin:$$PATH" $(BIN)/python -m benchmarks.faults

fuzz: setup  ## Readers and contracts under a coverage-guided fuzzer, with hostile inputs: docs/reliability.md.
	$(BIN)/python -m benchmarks.fuzz

controls: setup  ## Try the gates on markets whose truth is known: half an hour, tables in docs/evidence.md.
	$(BIN)/python -m benchmarks.controls

bench: setup  ## Speed beside peers, results compared first, one fold, the weekly cycle: docs/benchmarks.md, models.md.
	BASE_IMAGE=$(BASE_IMAGE) $(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.models --only-speed --speed fold scikit handler-import

bench-models: setup  ## All models on one walk-forward of ../shared/data, ablation, importance: docs/models.md.
	$(BIN)/python -m benchmarks.models --minutes 55

docs: setup  ## Write the generated parts of README.md and docs/ anew.
	PATH="$(CURDIR)/.local/tools/bin:$$PATH" $(BIN)/python -m cdk_app.definitions
	$(BIN)/python -m cli.documents

lock: setup  ## Resolve the locks of requirements/ again.
	requirements/lock.sh

synth: setup  ## CloudFormation templates of ENV=dev|staging|prod in cdk.out.
	AMTS_ENV=$(ENV) PATH="$(CURDIR)/.local/tools/bin:$$PATH" node_modules/.bin/cdk synth --quiet

bootstrap: setup  ## Once an account and Region, before the first deployment of ENV: what the CDK itself needs there.
	AMTS_ENV=$(ENV) PATH="$(CURDIR)/.local/tools/bin:$$PATH" node_modules/.bin/cdk bootstrap $(CDK_ARGS)

diff: setup  ## What deploying ENV=dev|staging|prod would change.
	AMTS_ENV=$(ENV) PATH="$(CURDIR)/.local/tools/bin:$$PATH" node_modules/.bin/cdk diff $(CDK_ARGS)

deploy: setup  ## Deploy ENV=dev|staging|prod into the AWS account of the current credentials.
	AMTS_ENV=$(ENV) PATH="$(CURDIR)/.local/tools/bin:$$PATH" node_modules/.bin/cdk deploy --all $(CDK_ARGS)

images: setup  ## Build the three image targets and say how large they are, where there is a container engine.
	$(BIN)/python docker/images.py build --base-image $(BASE_IMAGE) $(IMAGE_ARGS)

sbom: setup  ## What the images hold, as CycloneDX lists in build/sbom, and whether their licences can be shipped.
	$(BIN)/python docker/bill_of_materials.py

image-test: setup  ## Run the weekly machine with every function in its own image, held to Lambda's limits.
	$(BIN)/pytest -rs tests/images

clean:  ## Stop the local AWS and delete what was built; .venv and .local/tools stay.
	-@test ! -x $(BIN)/amts || $(BIN)/amts local down --forget
	rm -rf cdk.out build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
