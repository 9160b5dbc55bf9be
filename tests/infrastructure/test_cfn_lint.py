"""cfn-lint over the templates of every environment, with the deviations that `.cfnlintrc.yaml` argues for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml
from assemblies import Assembly
from project import ROOT

CONFIGURATION = ROOT / ".cfnlintrc.yaml"


def findings(templates: Iterable[Path], configuration: Path = CONFIGURATION) -> list[str]:
    """Run cfn-lint as a person would and return what it found: rule, file, path, message."""
    options = ["--config-file", str(configuration), "--format", "json"]
    done = subprocess.run(  # noqa: S603 - the pinned tool of this environment
        [sys.executable, "-m", "cfnlint.runner.cli", *options, *map(str, templates)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return [
        f"{one['Rule']['Id']} {Path(one['Filename']).name} {one['Location']['Path']}: {one['Message']}"
        for one in json.loads(done.stdout)
    ]


def test_nothing_is_found_in_any_environment(
    local: Assembly, dev: Assembly, staging: Assembly, prod: Assembly, by_instance: Assembly, closed: Assembly
) -> None:
    """All in one process: starting cfn-lint takes longer than a template."""
    templates = [file for one in (local, dev, staging, prod) for file in one.folder.glob("*.template.json")]
    templates += [one.folder / "Network.template.json" for one in (by_instance, closed)]
    assert len(templates) == 16
    assert findings(templates) == []


def test_no_rule_is_set_aside_for_nothing(prod: Assembly, tmp_path: Path) -> None:
    everything = tmp_path / "cfnlintrc.yaml"
    everything.write_text("regions: [us-east-1]\n")
    found = {line.split()[0] for line in findings(prod.folder.glob("*.template.json"), everything)}
    assert found == set(yaml.safe_load(CONFIGURATION.read_text())["ignore_checks"])


def test_a_template_that_would_not_deploy_is_found(prod: Assembly, tmp_path: Path) -> None:
    template = prod.template("Data")
    (table, *_) = [one for one in template["Resources"].values() if one["Type"] == "AWS::DynamoDB::Table"]
    table["Properties"]["BillingMode"] = "FOR_FREE"
    (tmp_path / "Data.template.json").write_text(json.dumps(template))
    assert any(line.startswith("E3030") for line in findings([tmp_path / "Data.template.json"]))
