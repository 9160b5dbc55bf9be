"""Where the local AWS lives on disk, and what its processes get to know."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cli.console import SetupError

REGION = "us-east-1"
ACCOUNT = "000000000000"
PROJECT_ROOT = Path(__file__).resolve().parents[2]

_NOT_INHERITED = ("AWS_", "AMTS_", "CDK_", "LAMBDA_", "PYTHON", "VIRTUAL_ENV", "SFN_")
"""A person's real credentials, settings and Python must not leak into the emulator or the functions."""


@dataclass(frozen=True)
class Place:
    """One local AWS: the project whose code it runs, the folder of its state, and where its tools are.

    Parameters
    ----------
    home
        Folder of everything that is kept between runs. Two places with different homes do not know of each other.
    project
        Root of the checkout: `app.py`, `cdk.json`, `node_modules` and the code that the functions run.
    """

    home: Path
    project: Path = PROJECT_ROOT

    @classmethod
    def default(cls) -> Place:
        """`.local` in the checkout, or `$AMTS_LOCAL_HOME`."""
        configured = os.environ.get("AMTS_LOCAL_HOME")
        return cls(Path(configured).resolve() if configured else PROJECT_ROOT / ".local")

    @property
    def state(self) -> Path:
        """What the emulator persists: DynamoDB, S3, deployed stacks."""
        return self.home / "state"

    @property
    def log(self) -> Path:
        """Output of the emulator, functions included."""
        return self.home / "emulator.log"

    @property
    def reports(self) -> Path:
        """Where `amts run` and `amts report` leave the reports of runs."""
        return self.home / "reports"

    @property
    def assembly(self) -> Path:
        """The synthesized templates, and beside them the adapted copy."""
        return self.home / "cdk.out"

    def tool(self, name: str) -> Path:
        """Return an executable that `make setup` put beside the project: `ministack`, `node`, `npm`.

        Raises
        ------
        SetupError
            If it is neither in `.local/tools` nor in `$AMTS_TOOLS`.
        """
        tools = Path(os.environ.get("AMTS_TOOLS") or self.project / ".local" / "tools")
        candidate = tools / "bin" / name
        if not candidate.exists():
            raise SetupError(f"{name} is not in {tools}: the local AWS is not set up. Run: make setup")
        return candidate

    def environment(self) -> dict[str, str]:
        """Environment of the emulator, the functions and the CDK CLI, without the port.

        Proxies and certificate bundles of the person are kept, for `--data yahoo`; loopback never goes through a proxy.
        """
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
        no_proxy = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1"]))
        node = Path(os.environ.get("AMTS_TOOLS") or self.project / ".local" / "tools") / "bin"
        search_path = f"{node}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {
            **inherited,
            "PATH": search_path,
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def forget(self) -> None:
        """Delete the kept state. The emulator must not be running."""
        for folder in (self.state, self.assembly):
            shutil.rmtree(folder, ignore_errors=True)
