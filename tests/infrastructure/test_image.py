"""The container image: what it is built from, and what changes its hash."""

from __future__ import annotations

import re
import tomllib

from assemblies import Assembly
from project import ROOT

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()


def image_files(assembly: Assembly) -> set[str]:
    """Files of the build contexts that belong to the image's hash."""
    folders = [folder for folder in assembly.folder.glob("asset.*") if folder.is_dir()]
    assert len(folders) == 3
    return {str(file.relative_to(folder)) for folder in folders for file in folder.rglob("*") if file.is_file()}


def test_only_code_locks_and_the_dockerfile_change_the_image(local: Assembly) -> None:
    files = image_files(local)
    assert {f for f in files if not f.startswith("lambdas/")} == {
        ".dockerignore",
        "docker/Dockerfile",
        "docker/prune_packages.py",
        "node_modules/plotly.js-basic-dist-min/plotly-basic.min.js",
        "requirements/uv.lock",
        "requirements/base.lock",
        "requirements/data.lock",
        "requirements/ml.lock",
    }
    assert "lambdas/contracts/base.py" in files
    assert not [f for f in files if "__pycache__" in f or f.endswith(".pyc")]


def test_torch_is_the_version_that_was_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (torch,) = [r for r in project["project"]["optional-dependencies"]["ml"] if r.startswith("torch")]
    assert f"ARG TORCH_VERSION={torch.removeprefix('torch==')}\n" in DOCKERFILE


def test_dependencies_come_before_the_code() -> None:
    """A change of code must not install anything again."""
    for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]:
        code = stage.find("COPY lambdas")
        for installs in ("pip install", "apt-get install", "COPY --from"):
            assert code == -1 or stage.rfind(installs) < code


def test_everything_but_torch_is_installed_by_hash() -> None:
    for command in re.findall(r"pip install [^&;\\]*", DOCKERFILE):
        assert "--require-hashes" in command or "torch==" in command, command


def test_functions_run_on_any_debian_with_python() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)", DOCKERFILE, flags=re.MULTILINE)
    assert {base for base, name in stages if name in ("installer", "runtime")} == {"${BASE_IMAGE}"}
    assert [name for _, name in stages][-3:] == ["base", "data", "ml"]
    assert "awslambdaric" in DOCKERFILE
