"""Building the environment: which torch is taken, whose configuration decides, what is done again."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "requirements" / "install.py"


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The script as a module, on a machine whose packages are in `tmp_path`."""
    spec = importlib.util.spec_from_file_location("install", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    return module


class Commands:
    """Stands for the installer: the first rule whose words are all in a command answers it."""

    def __init__(self, *rules: tuple[str, int, str]) -> None:
        self.rules = rules
        self.done: list[str] = []

    def __call__(self, command: list[Any], *, env: Any = None, check: bool = True) -> Any:
        text = " ".join(map(str, command))
        self.done.append(text)
        for words, status, output in self.rules:
            if all(word in text for word in words.split()):
                if check and status:
                    raise self.failure(output)
                return subprocess.CompletedProcess(command, status, output, "")
        return subprocess.CompletedProcess(command, 0, "", "")

    failure: Any = None

    def torch_installs(self) -> list[str]:
        return [text for text in self.done if "torch" in text and "--dry-run" not in text]


def use(
    install: Any, monkeypatch: pytest.MonkeyPatch, *rules: tuple[str, int, str], machine: str = "x86_64"
) -> Commands:
    commands = Commands(*rules)
    commands.failure = install.SetupFailedError
    monkeypatch.setattr(install, "run", commands)
    monkeypatch.setattr(install.sys, "platform", "linux" if machine == "x86_64" else "darwin")
    monkeypatch.setattr(install.platform, "machine", lambda: machine)
    return commands


def test_a_cpu_build_that_the_person_offers_is_taken(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = use(install, monkeypatch, ("--dry-run", 0, " + torch==2.13.0+cpu"))

    install.install_torch()

    (command,) = commands.torch_installs()
    assert command.endswith("torch==2.13.0+cpu")
    assert "--torch-backend" not in command


def test_the_plain_wheel_of_x86_linux_is_never_installed(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = use(install, monkeypatch, ("--dry-run", 0, " + torch==2.13.0"))

    install.install_torch()

    assert all("--torch-backend=cpu" in command for command in commands.torch_installs())


def test_without_any_cpu_build_the_message_says_where_to_put_one(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    use(install, monkeypatch, ("--dry-run", 0, " + torch==2.13.0"), ("--torch-backend=cpu", 2, "no such host"))

    with pytest.raises(install.SetupFailedError, match="PIP_FIND_LINKS"):
        install.install_torch()


def test_on_a_mac_the_plain_wheel_is_the_cpu_build(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = use(install, monkeypatch, ("--dry-run", 0, " + torch==2.13.0"), machine="arm64")

    install.install_torch()

    (command,) = commands.torch_installs()
    assert command.endswith("torch==2.13.0")
    assert "--torch-backend" not in command


def test_pips_configuration_reaches_uv_and_uvs_own_wins(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = (
        "global.index-url='https://user:pass@mirror.example/simple'\n"
        "global.extra-index-url='https://a.example/simple https://b.example/simple'\n"
        "global.find-links='/one'\n"
        ":env:.find-links='/two /three'\n"
        "global.timeout='60'\n"
    )
    use(install, monkeypatch, ("config list", 0, listing))
    for name in ("UV_INDEX", "UV_FIND_LINKS", "UV_INDEX_STRATEGY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mine.example/simple")

    assert install.pip_configuration_for_uv() == {
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/two,/three",
    }


def test_a_step_is_done_once_and_again_when_its_input_changes(install: Any, tmp_path: Path) -> None:
    lock = tmp_path / "dev.lock"
    lock.write_text("pandas==3.1.0")
    done: list[str] = []

    for content in ("pandas==3.1.0", "pandas==3.1.0", "pandas==3.1.1"):
        lock.write_text(content)
        install.step("packages", tmp_path / ".venv", [lock], lambda content=content: done.append(content))

    assert done == ["pandas==3.1.0", "pandas==3.1.1"]


def test_an_interrupted_step_is_done_again(install: Any, tmp_path: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    done: list[bool] = []
    install.step("packages", tmp_path, [SCRIPT], lambda: None)
    with pytest.raises(KeyboardInterrupt):
        install.step("packages", tmp_path, [SCRIPT, SCRIPT.parent / "dev.lock"], interrupted)
    install.step("packages", tmp_path, [SCRIPT], lambda: done.append(True))

    assert done == [True]


def test_nothing_of_requirements_names_a_place_to_fetch_from() -> None:
    for file in SCRIPT.parent.iterdir():
        if file.is_file():
            assert "://" not in file.read_text(), file.name
