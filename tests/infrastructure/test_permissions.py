"""Every statement of every role: what a function may do is written down here a second time."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from assemblies import Assembly
from project import ROOT

from cdk_app.settings import load_settings

ANALYTICS, RECOMMENDATIONS, KEY = "Analytics", "Recommendations", "Key"
READ = {"s3:GetObject"}
DELETE = {"s3:DeleteObject"}
WRITE = {"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}
ON_ANYTHING = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}
SENDS = {"sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"}
"""Of Lambda in the name of the service: what it was told by EventBridge and could not do."""
OBJECTS = {
    "Service": {"Datasets/uploads/*": READ, "Performance/reports/*": WRITE, "Artefacts/models/*": READ | DELETE},
    "Enrichment": {
        "Datasets/uploads/*": READ,
        "Datasets/raw/*": WRITE,
        "Datasets/batches/*": WRITE,
        "Datasets/datasets/*": WRITE,
    },
    "Ensemble": {
        "Datasets/datasets/*": READ,
        "Performance/tuning/*": WRITE,
        "Performance/reports/*": READ,
        "Performance/predictions/*": WRITE,
        "Artefacts/models/*": WRITE,
    },
    "Backtesting": {
        "Datasets/datasets/*": READ,
        "Performance/tuning/*": READ,
        "Performance/predictions/*": READ,
        "Performance/reports/*": WRITE,
        "Artefacts/models/*": READ,
    },
    "Validation": {
        "Datasets/datasets/*": READ,
        "Performance/predictions/*": READ,
        "Performance/reports/*": WRITE,
    },
}
ITEMS = {
    "Service": {
        ANALYTICS: {"GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "ConditionCheckItem"},
        RECOMMENDATIONS: {"Scan"},
    },
    "Enrichment": {ANALYTICS: {"PutItem"}},
    "Ensemble": {},
    "Backtesting": {
        ANALYTICS: {"GetItem", "Query", "PutItem", "UpdateItem"},
        RECOMMENDATIONS: {"PutItem", "UpdateItem"},
    },
    "Validation": {ANALYTICS: {"Query", "PutItem"}},
}
PACKAGES = {
    "Service": "advanced_model_tuning_service",
    "Enrichment": "fundamental_data_enrichment",
    "Ensemble": "ensemble_model_engine",
    "Backtesting": "backtesting_engine",
    "Validation": "market_validation_engine",
}
PARTITIONS = {
    "Enrichment": ["RUN#*"],
    "Backtesting": ["RUN#*", "LEDGER", "CHAMPION", "LIVE", "PERFORMANCE", "MODEL", "SHADOW"],
    "Validation": ["RUN#*"],
}


def statements(assembly: Assembly, role: str) -> list[dict[str, Any]]:
    """Statements of the role of an engine, actions and resources as lists, resources spelled readably."""
    found = []
    for name, policy in assembly.resources("AWS::IAM::Policy").items():
        if name.startswith(f"{role}RoleDefaultPolicy"):
            for statement in policy["PolicyDocument"]["Statement"]:
                actions, resources = statement["Action"], statement["Resource"]
                found.append(
                    statement
                    | {
                        "Action": [actions] if isinstance(actions, str) else actions,
                        "Resource": [spelled(r) for r in (resources if isinstance(resources, list) else [resources])],
                    }
                )
    assert found, role
    return found


def spelled(resource: Any) -> str:
    """Spell a resource: an imported store by its construct, anything else as it stands."""
    match resource:
        case str():
            return resource
        case {"Fn::ImportValue": name}:
            export = name.rpartition("ExportsOutputFnGetAtt")[2]
            return next(
                store
                for store in ("Artefacts", "Performance", "Datasets", ANALYTICS, RECOMMENDATIONS, KEY)
                if export.startswith(store)
            )
        case {"Fn::Join": [_, parts]}:
            return "".join(spelled(part) for part in parts)
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            return str(name)
        case _:
            raise NotImplementedError(resource)


def stores_used_by(package: str) -> set[str]:
    """Return the stores that the code of a function reaches: `stores.<name>`, its own and of what it calls."""
    market = functions_of(ROOT / "lambdas" / "runtime" / "market.py")
    used: set[str] = set()
    for file in (ROOT / "lambdas" / package).glob("*.py"):
        tree = ast.parse(file.read_text())
        used |= stores_in(tree)
        for name in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & set(market):
            used |= stores_in(market[name])
    return used


def functions_of(file: Path) -> dict[str, ast.AST]:
    return {node.name: node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}


def stores_in(tree: ast.AST) -> set[str]:
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "stores"
    }


@pytest.mark.parametrize(("role", "package"), sorted(PACKAGES.items()))
def test_a_function_may_use_the_stores_of_its_code_and_no_others(prod: Assembly, role: str, package: str) -> None:
    """An emulator allows everything: that a permission is missing, or is not needed, would show on AWS only."""
    used = stores_used_by(package)
    assert "analytics" in used or role == "Ensemble"
    granted = {action for statement in statements(prod, role) for action in statement["Action"]}
    allowed = {
        "datasets": any(prefix.startswith("Datasets/") for prefix in OBJECTS[role]),
        "tuning": "Performance/tuning/*" in OBJECTS[role],
        "predictions": "Performance/predictions/*" in OBJECTS[role],
        "reports": "Performance/reports/*" in OBJECTS[role],
        "models": "Artefacts/models/*" in OBJECTS[role],
        "analytics": ANALYTICS in ITEMS[role],
        "recommendations": RECOMMENDATIONS in ITEMS[role],
        "notifier": "sns:Publish" in granted,
        "executions": "states:StartExecution" in granted,
    }
    if "objects" in used:  # by URI: the folder of a request's own data set
        used |= {"datasets"}
    if used & {"ledger", "registry"}:
        used |= {"analytics"}
    assert {store for store, is_allowed in allowed.items() if is_allowed} == used & set(allowed)


def test_nobody_may_do_everything(assembly: Assembly) -> None:
    for stack in assembly.stacks:
        for policy in assembly.resources("AWS::IAM::Policy", stack).values():
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    assert "*" not in action, policy
        for role in assembly.resources("AWS::IAM::Role", stack).values():
            if stack == "Pipeline":
                assert "ManagedPolicyArns" not in role


def test_wildcard_resources_are_few_and_known(assembly: Assembly) -> None:
    for role in OBJECTS:
        for statement in statements(assembly, role):
            if "*" in statement["Resource"]:
                assert set(statement["Action"]) <= ON_ANYTHING, role


def test_objects_by_prefix(assembly: Assembly) -> None:
    for role, expected in OBJECTS.items():
        found: dict[str, set[str]] = {}
        for statement in statements(assembly, role):
            objects = {action for action in statement["Action"] if action.startswith("s3:")} - {"s3:ListBucket"}
            for resource in statement["Resource"] if objects else []:
                found.setdefault(resource, set()).update(objects)
        assert found == expected, role


def test_a_missing_object_is_told_from_a_forbidden_one(assembly: Assembly) -> None:
    """Without ListBucket on the whole bucket S3 answers 403 to a HEAD of what is not there."""
    for role, expected in OBJECTS.items():
        listed = {
            resource
            for statement in statements(assembly, role)
            if "s3:ListBucket" in statement["Action"]
            for resource in statement["Resource"]
            if "Condition" not in statement
        }
        assert listed == {prefix.split("/")[0] for prefix in expected}, role


def test_items_by_action_and_partition(assembly: Assembly) -> None:
    for role, expected in ITEMS.items():
        found: dict[str, set[str]] = {}
        for statement in statements(assembly, role):
            actions = {a.removeprefix("dynamodb:") for a in statement["Action"] if a.startswith("dynamodb:")}
            for resource in statement["Resource"] if actions else []:
                found.setdefault(resource, set()).update(actions)
                keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys")
                if resource == ANALYTICS:
                    assert keys == PARTITIONS.get(role), role
        assert found == expected, role


def test_the_key_of_the_stores_is_used_through_s3_only(assembly: Assembly) -> None:
    for role, expected in OBJECTS.items():
        found = [statement for statement in statements(assembly, role) if KEY in statement["Resource"]]
        writes = any("s3:PutObject" in actions for actions in expected.values())
        assert {action for statement in found for action in statement["Action"]} == {
            "kms:Decrypt",
            *({"kms:GenerateDataKey"} if writes else ()),
        }, role
        for statement in found:
            assert statement["Resource"] == [KEY]
            assert statement["Condition"] == {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}


def test_only_the_service_announces_and_starts(assembly: Assembly) -> None:
    for role in OBJECTS:
        actions = {
            action
            for statement in statements(assembly, role)
            if statement["Resource"] != [KEY]
            for action in statement["Action"]
        }
        others = {a for a in actions if not a.startswith(("s3:", "dynamodb:", "logs:", "xray:", "ec2:"))}
        expected = {
            "sns:Publish",
            "kms:Decrypt",
            "kms:GenerateDataKey",
            "states:StartExecution",
            "states:GetExecutionHistory",
            "states:DescribeStateMachineForExecution",
            *SENDS,
            *(("states:ListExecutions",) if load_settings(assembly.environment).map.mode == "DISTRIBUTED" else ()),
        }
        assert others == (expected if role == "Service" else set()), role
        deleting = {a for a in actions if "Delete" in a and not a.startswith("ec2:")}
        assert deleting == (DELETE if role == "Service" else set()), role


def test_the_service_sends_to_the_dead_letter_queue_only(assembly: Assembly) -> None:
    (queue,) = assembly.resources("AWS::SQS::Queue")
    (statement,) = [s for s in statements(assembly, "Service") if set(s["Action"]) & SENDS]
    assert (set(statement["Action"]), statement["Resource"]) == (SENDS, [queue])


def test_machines_invoke_their_functions_only(assembly: Assembly) -> None:
    for machine, count in (("Tuning", 5), ("Assessment", 4)):
        (invoked,) = [
            statement["Resource"]
            for name, policy in assembly.resources("AWS::IAM::Policy").items()
            if name.startswith(f"{machine}MachineRoleDefaultPolicy")
            for statement in policy["PolicyDocument"]["Statement"]
            if "lambda:InvokeFunction" in statement["Action"]
        ]
        assert len({spelled(resource).removesuffix(":*") for resource in invoked}) == count
