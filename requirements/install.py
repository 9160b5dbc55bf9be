"""Build the project's environment: `make setup`. Needs Python 3.11 or newer and the registries, nothing else.

Each step leaves a stamp, the hash of what it was made from, inside the folder it makes. A stamp is written after its
step has succeeded, so a repeated setup costs nothing, and an interrupted one goes on where it stopped.
Where packages come from is the person's business: pip's and uv's own configuration decide, this file names no registry.
"""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
VENV = ROOT / ".venv"
TOOLS = ROOT / ".local" / "tools"
NODE_MODULES = ROOT / "node_modules"
TORCH = "torch==2.13.0"
OLDEST_PYTHON = (3, 11)


class SetupFailedError(Exception):
    """One step could not be done; the message says which, and what to do."""


def main() -> int:
    """Do every step that is not done yet."""
    if sys.version_info < OLDEST_PYTHON:
        print(f"Python 3.11 or newer is needed, this is {platform.python_version()}. Run: make setup PYTHON=python3.12")
        return 1
    try:
        for environment in (VENV, TOOLS):
            make_venv(environment)
        step("uv", VENV, [REQUIREMENTS / "uv.lock"], install_uv)
        step("packages", VENV, [REQUIREMENTS / "dev.lock"], lambda: locked(VENV, "dev.lock"))
        step("torch", VENV, [REQUIREMENTS / "torch.in"], install_torch)
        step("sample data", VENV, [REQUIREMENTS / "sample-data.lock"], lambda: locked(VENV, "sample-data.lock"))
        step("amts", VENV, [ROOT / "pyproject.toml"], install_project)
        step("emulator and Node", TOOLS, [REQUIREMENTS / "tools.lock"], install_tools)
        if (ROOT / "package-lock.json").exists():
            step(
                "Node packages",
                NODE_MODULES,
                [ROOT / "package.json", ROOT / "package-lock.json"],
                install_node_packages,
            )
    except SetupFailedError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


def step(name: str, folder: Path, inputs: list[Path], action: Callable[[], None]) -> None:
    """Run `action` unless its stamp in `folder` says that it ran with these inputs, this Python and in this place."""
    digest = hashlib.sha256(f"{folder} {platform.python_version()} {platform.machine()}".encode())
    for path in [*inputs, Path(__file__)]:
        digest.update(path.read_bytes())
    stamp = folder / ".amts-setup" / name.replace(" ", "-")
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    print(f"setup: {name} ...", flush=True)
    stamp.unlink(missing_ok=True)
    action()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest.hexdigest())


def make_venv(folder: Path) -> None:
    """Create an environment, or make one again whose Python is gone or too old; its stamps go with it."""
    if _venv_works(folder):
        return
    print(f"setup: {folder.relative_to(ROOT)} ...", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        venv.create(folder, with_pip=True)
    except (subprocess.CalledProcessError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise SetupFailedError(
            f"no environment could be made in {folder} ({error}). On Debian or Ubuntu install python3-venv first"
        ) from error


def install_uv() -> None:
    """Install the pinned uv by pip; everything else is installed by uv."""
    pip = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--require-hashes", "-r", REQUIREMENTS / "uv.lock"])


def locked(environment: Path, lock: str) -> None:
    """Install exactly what a lock lists. Locks are complete, so nothing is resolved."""
    uv_install(environment, "--no-deps", "--require-hashes", "-r", REQUIREMENTS / lock)


def install_torch() -> None:
    """Install the CPU build of torch, and never the gigabytes of CUDA that the plain wheel of x86-64 Linux asks for."""
    plain_is_cpu = not (sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64"))
    # Ask first, download after: a dry run reads metadata only and says which build the person's own sources offer.
    asked = uv_install(VENV, "--no-deps", "--dry-run", "--reinstall-package", "torch", TORCH, check=False)
    offered = re.search(r"[+~] torch==(\S+)", asked.stdout + asked.stderr)
    if offered and (plain_is_cpu or offered[1].endswith("+cpu")):
        uv_install(VENV, "--no-deps", TORCH.partition("==")[0] + "==" + offered[1])
        return
    try:
        uv_install(VENV, "--no-deps", "--torch-backend=cpu", TORCH)
    except SetupFailedError as error:
        raise SetupFailedError(
            f"no CPU build of {TORCH} was found: PyTorch's own index could not be reached, and pip's configuration "
            "offers at best the CUDA build. Put a CPU wheel into a folder, name the folder in PIP_FIND_LINKS, and run "
            f"make setup again.\n{error}"
        ) from error


def install_project() -> None:
    """Install the project itself, editable. The build backend is in the lock, so nothing is fetched for it."""
    uv_install(VENV, "--no-deps", "--no-build-isolation", "-e", ROOT)


def install_tools() -> None:
    """Give the emulator and Node an environment of their own."""
    locked(TOOLS, "tools.lock")


def install_node_packages() -> None:
    """Install what package-lock.json lists, by the Node of the tools."""
    environment = os.environ | {"PATH": f"{TOOLS / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    run([TOOLS / "bin" / "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], env=environment)


def uv_install(environment: Path, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `uv pip install` for an environment, with pip's configuration where uv has none of its own."""
    command = [VENV / "bin" / "uv", "pip", "install", "--quiet", "--python", environment / "bin" / "python", *arguments]
    if "--dry-run" in arguments:
        command.remove("--quiet")
    return run(command, env=os.environ | pip_configuration_for_uv(), check=check)


def pip_configuration_for_uv() -> dict[str, str]:
    """Translate pip's index, links and certificate: uv reads only its own, and a person configures one of the two."""
    listing = run([VENV / "bin" / "python", "-m", "pip", "config", "list"], check=False).stdout
    options: dict[str, str] = {}
    for line in listing.splitlines():  # global.index-url='…', install.…, :env:.…: later ones win, as for pip
        scope, _, value = line.partition("=")
        if value:
            options[scope.rpartition(".")[2].lower()] = str(ast.literal_eval(value))
    translated = {
        "UV_DEFAULT_INDEX": options.get("index-url"),
        "UV_INDEX": options.get("extra-index-url"),
        "UV_FIND_LINKS": ",".join(options.get("find-links", "").split()),
        "UV_INSECURE_HOST": options.get("trusted-host"),
        "SSL_CERT_FILE": options.get("cert"),
    }
    if translated["UV_INDEX"]:
        translated["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # what pip does with several indexes; hashes protect
    return {name: value for name, value in translated.items() if value and name not in os.environ}


def run(
    command: list[str | Path], *, env: dict[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's root; its output is shown only if it fails."""
    done = subprocess.run(  # noqa: S603 - commands of this file only
        [str(part) for part in command], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if check and done.returncode != 0:
        raise SetupFailedError(f"{Path(command[0]).name} failed:\n{(done.stdout + done.stderr).strip()}")
    return done


def _venv_works(folder: Path) -> bool:
    python = folder / "bin" / "python"
    if not python.exists():
        return False
    probe = run([python, "-c", "import sys, pip; print(*sys.version_info[:2])"], check=False)
    return probe.returncode == 0 and tuple(map(int, probe.stdout.split())) >= OLDEST_PYTHON


if __name__ == "__main__":
    sys.exit(main())
