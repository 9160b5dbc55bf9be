#!/bin/sh
# Resolve every lock again: `make lock`. Images get the versions that were tested, so theirs are constrained by dev.lock.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
export UV_CUSTOM_COMPILE_COMMAND="make lock"

compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url "$@"
}

compile requirements/uv.in -o requirements/uv.lock
compile requirements/tools.in -o requirements/tools.lock
compile requirements/sample-data.in --no-deps -o requirements/sample-data.lock
compile pyproject.toml requirements/torch.in --all-extras --override requirements/override.txt -o requirements/dev.lock
compile pyproject.toml requirements/lambda.in --constraint requirements/dev.lock -o requirements/base.lock
compile pyproject.toml requirements/lambda.in --extra data --constraint requirements/dev.lock -o requirements/data.lock
compile pyproject.toml requirements/lambda.in requirements/torch.in --extra data --extra ml \
    --override requirements/override.txt --constraint requirements/dev.lock -o requirements/ml.lock
