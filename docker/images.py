"""Build the images of the functions, and say how large they are: `make images`.

A container engine is needed and nothing else; without one it says so and builds nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import bill_of_materials

PROJECT = Path(__file__).resolve().parents[1]
LIMITS = {"base": 150e6, "data": 600e6, "ml": 1.5e9}
"""Bytes that a target may have on top of the base image; `ml` all in all."""
IMPORTS = {
    "advanced_model_tuning_service": ("base", 1.0),
    "fundamental_data_enrichment": ("data", 1.5),
    "backtesting_engine": ("data", 1.5),
    "market_validation_engine": ("data", 1.5),
    "ensemble_model_engine": ("ml", 4.0),
}
"""Image of each function, and the CPU seconds that importing its handler is meant to stay below."""

CODE_LABEL = "amts.code"


def main() -> int:
    """Build every target, print the sizes; 1 if one is too large."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    build = commands.add_parser("build", help="Build the three targets.")
    build.add_argument("--base-image", required=True, help="Debian with Python 3.11.")
    build.add_argument("--torch-index", default="", help="Index of torch's CPU build; by default PyTorch's own.")
    build.add_argument("--package-index", default="", help="A mirror of the Python package index.")
    build.add_argument("--network", default="", help="Network of the build steps, as `docker build` has it.")
    measured = commands.add_parser("measure", help="Print sizes and import times of images that are built, as JSON.")
    measured.add_argument("--base-image", required=True)
    measured.set_defaults(measure=True)
    given = parser.parse_args()
    if "measure" in given:
        return print_measured(given.base_image)
    if not engine_answers():
        print("images: no container engine answers (docker info), nothing was built")
        return 0
    for target in LIMITS:
        print(f"building amts-{target} ...", flush=True)
        build_target(target, given)
    too_large = print_sizes(given.base_image)
    print_imports()
    return too_large or bill_of_materials.main()


def engine_answers() -> bool:
    """Say whether there is a container engine."""
    if shutil.which("docker") is None:
        return False
    return _docker("info", check=False).returncode == 0


def is_built(target: str) -> bool:
    """Say whether there is an image of this target."""
    return _docker("image", "inspect", f"amts-{target}", check=False).returncode == 0


def run_in(target: str, program: str) -> bytes:
    """Run a Python program in an image and return what it printed."""
    return subprocess.run(  # noqa: S603 - the container engine's own command
        [shutil.which("docker") or "docker", "run", "--rm", "--entrypoint", "python", f"amts-{target}", "-c", program],
        capture_output=True, check=True,
    ).stdout  # fmt: skip


def build_target(target: str, given: argparse.Namespace) -> None:
    """Build one target; earlier ones are in the engine's cache."""
    arguments = {
        "BASE_IMAGE": given.base_image,
        "TORCH_INDEX": given.torch_index,
        "PIP_INDEX_URL": given.package_index,
        "UV_DEFAULT_INDEX": given.package_index,
    }
    flags = [word for name, value in arguments.items() if value for word in ("--build-arg", f"{name}={value}")]
    if given.network:
        flags += ["--network", given.network]
    done = _docker(
        "build", *flags, "--label", f"{CODE_LABEL}={code_hash()}", "--target", target, "--tag", f"amts-{target}",
        "--file", "docker/Dockerfile", ".", check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"amts-{target} was not built:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-30:]))


def print_sizes(base_image: str) -> int:
    """Print what each target adds to the base image, beside its limit."""
    base = size_of(base_image)
    print(f"{base_image}: {base / 1e6:.0f} MB")
    too_large = 0
    for target, limit in LIMITS.items():
        size = size_of(f"amts-{target}")
        counted = size if target == "ml" else size - base
        what = "all in all" if target == "ml" else "on top of the base image"
        verdict = "" if counted <= limit else "  TOO LARGE"
        too_large += counted > limit
        print(f"amts-{target}: {size / 1e6:.0f} MB, {counted / 1e6:.0f} MB {what}, limit {limit / 1e6:.0f}{verdict}")
    return int(too_large > 0)


def print_imports() -> None:
    """Print how long each handler takes to import in its image, beside its limit."""
    for package, (target, limit) in IMPORTS.items():
        seconds = import_seconds(package, target)
        verdict = "" if seconds <= limit else "  TOO SLOW"
        print(f"amts-{target}: {package} imports in {seconds:.2f} s, limit {limit}{verdict}")


def print_measured(base_image: str) -> int:
    """Print the same numbers as one JSON document, or null where there is no engine or no image."""
    there = engine_answers() and all(is_built(target) for target in LIMITS)
    found = there and {
        "base": size_of(base_image),
        "sizes": {
            target: {"size": size_of(f"amts-{target}"), "limit": limit, "all_in_all": target == "ml"}
            for target, limit in LIMITS.items()
        },
        "imports": {
            package: {"target": target, "cpu": import_seconds(package, target), "limit": limit}
            for package, (target, limit) in IMPORTS.items()
        },
    }
    print(json.dumps(found or None))
    return 0


def import_seconds(package: str, target: str) -> float:
    """CPU seconds to import a handler in its image: the least of three cold processes."""
    program = f"import time; import lambdas.{package}.handler; print(time.process_time())"
    run = ("run", "--rm", "--env", "AWS_DEFAULT_REGION=us-east-1", "--entrypoint", "python", f"amts-{target}")
    return min(float(_docker(*run, "-c", program).stdout) for _ in range(3))


def size_of(image: str) -> int:
    """Bytes of an image."""
    return int(json.loads(_docker("image", "inspect", image).stdout)[0]["Size"])


def code_hash() -> str:
    """Hash of everything that an image of the functions is built from."""
    digest = hashlib.sha256()
    files = [PROJECT / "docker" / "Dockerfile", *sorted((PROJECT / "requirements").glob("*.lock"))]
    files += [file for file in sorted((PROJECT / "lambdas").rglob("*.py")) if "__pycache__" not in file.parts]
    for file in files:
        digest.update(f"{file.relative_to(PROJECT)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the container engine's own command
        [shutil.which("docker") or "docker", *arguments],
        cwd=PROJECT, capture_output=True, text=True, check=check,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
