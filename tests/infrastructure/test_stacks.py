"""Resources that people and other parts rely on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from assemblies import Assembly

from cdk_app.settings import load_settings
from lambdas.contracts.environment import FunctionEnvironment
from lambdas.contracts.metrics import NAMESPACE
from lambdas.contracts.outputs import StackOutput, pipeline_stack_name

FUNCTIONS = {
    "advanced-model-tuning-service": ("lambdas.advanced_model_tuning_service.handler.handler", 512),
    "fundamental-data-enrichment": ("lambdas.fundamental_data_enrichment.handler.handler", 2048),
    "ensemble-model-engine": ("lambdas.ensemble_model_engine.handler.handler", 2048),
    "backtesting-engine": ("lambdas.backtesting_engine.handler.handler", 2048),
    "market-validation-engine": ("lambdas.market_validation_engine.handler.handler", 2048),
}
SCHEDULES = {"staging": {"cron(0 7 ? * MON-FRI *)", "cron(0 1 ? * SUN *)"}}
STATEFUL = {"AWS::S3::Bucket", "AWS::DynamoDB::Table"}


def functions(assembly: Assembly) -> dict[str, dict[str, Any]]:
    return {f["FunctionName"]: f for f in assembly.resources("AWS::Lambda::Function").values()}


def test_an_environment_has_the_stacks_of_its_settings(
    local: Assembly, dev: Assembly, staging: Assembly, prod: Assembly
) -> None:
    assert local.stacks == {"Data", "Pipeline"}
    assert dev.stacks == staging.stacks == prod.stacks == {"Network", "Data", "Pipeline", "Observability"}


def test_synth_asks_nobody(assembly: Assembly) -> None:
    """No lookups: `local` was synthesized by app.py without Docker, credentials or Region, see its fixture."""
    manifest = json.loads((assembly.folder / "manifest.json").read_text())
    assert "missing" not in manifest
    stack = manifest["artifacts"]["Pipeline"]
    assert stack["properties"]["stackName"] == pipeline_stack_name(assembly.environment)


def test_what_costs_money_is_tagged(assembly: Assembly) -> None:
    wanted = {"Application": "amts", "Environment": assembly.environment}
    costly = ("AWS::Lambda::Function", "AWS::StepFunctions::StateMachine", "AWS::KMS::Key", "AWS::SQS::Queue")
    resources = [found for kind in costly for found in assembly.resources(kind).values()]
    resources += [found for kind in STATEFUL for found in assembly.resources(kind, "Data").values()]
    assert len(resources) == 15
    for resource in resources:
        assert {tag["Key"]: tag["Value"] for tag in resource["Tags"]}.items() >= wanted.items()


def test_the_checks_found_nothing(assembly: Assembly) -> None:
    report = json.loads((assembly.folder / "validation-report.json").read_text())
    assert {plugin["conclusion"] for plugin in report["pluginReports"]} == {"success"}


def test_there_are_five_functions_from_one_image_file(assembly: Assembly) -> None:
    found = functions(assembly)
    assert {name: (f["ImageConfig"]["Command"][0], f["MemorySize"]) for name, f in found.items()} == FUNCTIONS
    for function in found.values():
        assert function["PackageType"] == "Image"
        assert function["Timeout"] <= 600
        assert function["Architectures"] == ["x86_64"]
        assert function["TracingConfig"] == {"Mode": "Active"}
    images = json.loads((assembly.folder / "Pipeline.assets.json").read_text())["dockerImages"]
    targets = {image["source"]["dockerBuildTarget"] for image in images.values()}
    assert targets == {"base", "data", "ml"}
    assert len(images) == 3


def test_functions_get_an_environment_they_can_read(assembly: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, function in functions(assembly).items():
        variables = function["Environment"]["Variables"]
        with monkeypatch.context() as patch:
            for variable, value in variables.items():
                patch.setenv(variable, value if isinstance(value, str) else "given-at-deploy-time")
            read = FunctionEnvironment()  # type: ignore[call-arg]
        assert read.model == load_settings(assembly.environment).model
        assert read.environment == assembly.environment
        assert variables["POWERTOOLS_SERVICE_NAME"] == name
        assert variables["POWERTOOLS_METRICS_NAMESPACE"] == NAMESPACE
        assert {v for v in variables if v.startswith("AMTS_")} <= {
            f"AMTS_{field.upper()}" for field in FunctionEnvironment.model_fields
        }
        if name == "advanced-model-tuning-service":
            assert read.data_source == ("sample" if assembly.environment == "local" else "yahoo")
            assert bool(read.universe) is (assembly.environment != "local")
            assert read.topic_arn
            assert read.tuning_machine_arn
            assert read.assessment_machine_arn


def test_a_universe_that_no_function_could_hold_is_refused(synthesize: Callable[..., Assembly]) -> None:
    symbols = json.dumps([f"S{number:04}" for number in range(600)])
    with pytest.raises(Exception, match="stock-recommendations"):
        synthesize("local", universe=symbols)


def test_logs_are_kept_for_a_time_and_named_in_advance(assembly: Assembly) -> None:
    groups = assembly.resources("AWS::Logs::LogGroup")
    assert {g["LogGroupName"] for g in groups.values()} >= {f"/aws/lambda/{name}" for name in FUNCTIONS}
    assert all(group["RetentionInDays"] in (14, 30, 60, 365) for group in groups.values())
    for function in functions(assembly).values():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


@pytest.mark.parametrize(("level", "floor"), [("DEBUG", "DEBUG"), ("INFO", "INFO"), ("ERROR", "INFO")])
def test_logs_are_json_and_no_level_silences_the_metrics(
    synthesize: Callable[..., Assembly], level: str, floor: str
) -> None:
    """A metric is a line without a level, which Lambda takes for one of INFO."""
    for function in functions(synthesize("local", log_level=level)).values():
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        assert function["LoggingConfig"]["ApplicationLogLevel"] == floor
        assert function["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == level


def test_buckets_are_private_versioned_encrypted_and_logged(assembly: Assembly) -> None:
    buckets = assembly.resources("AWS::S3::Bucket", "Data")
    assert len(buckets) == 4
    logged = [bucket.get("LoggingConfiguration", {}).get("DestinationBucketName") for bucket in buckets.values()]
    assert sorted(map(bool, logged)) == [False, True, True, True]
    for bucket in buckets.values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        # S3 cannot deliver access logs into a bucket under a key.
        by_key = "LoggingConfiguration" in bucket
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == ("aws:kms" if by_key else "AES256")
        assert rule.get("BucketKeyEnabled", False) is by_key
        (everything,) = [r for r in bucket["LifecycleConfiguration"]["Rules"] if "NoncurrentVersionExpiration" in r]
        assert everything["AbortIncompleteMultipartUpload"]
    statements = [
        statement
        for policy in assembly.resources("AWS::S3::BucketPolicy", "Data").values()
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    denied = [s for s in statements if s["Effect"] == "Deny"]
    conditions = [json.dumps(statement["Condition"]) for statement in denied]
    assert sum("aws:SecureTransport" in condition for condition in conditions) == 4
    assert sum("s3:TlsVersion" in condition for condition in conditions) == 4


def test_the_key_of_the_stores_rotates_and_survives_where_they_do(assembly: Assembly) -> None:
    (key,) = [r for r in assembly.template("Data")["Resources"].values() if r["Type"] == "AWS::KMS::Key"]
    assert key["Properties"]["EnableKeyRotation"] is True
    assert key["DeletionPolicy"] == ("Retain" if assembly.environment == "prod" else "Delete")


def test_nothing_that_proves_a_verdict_expires(assembly: Assembly) -> None:
    prefixes = {
        rule.get("Prefix", "")
        for name, bucket in assembly.resources("AWS::S3::Bucket", "Data").items()
        if not name.startswith("AccessLogs")
        for rule in bucket["LifecycleConfiguration"]["Rules"]
        if "ExpirationInDays" in rule
    }
    assert prefixes == {"batches/", "uploads/", "datasets/", "predictions/", "tuning/"}


def test_tables_have_their_names_keys_and_backups(assembly: Assembly) -> None:
    tables = {t["TableName"]: t for t in assembly.resources("AWS::DynamoDB::Table", "Data").values()}
    keys = {
        name: [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] for name, table in tables.items()
    }
    assert keys == {
        "ai-performance-analytics": [("PK", "HASH"), ("SK", "RANGE")],
        "stock-recommendations": [("symbol", "HASH"), ("recommendation_id", "RANGE")],
    }
    for table in tables.values():
        assert {attribute["AttributeType"] for attribute in table["AttributeDefinitions"]} == {"S"}
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert table["SSESpecification"]["SSEEnabled"] is True
        assert table.get("DeletionProtectionEnabled", False) is (assembly.environment == "prod")


def test_production_keeps_what_is_stateful(prod: Assembly, dev: Assembly) -> None:
    for assembly, policy in ((prod, "Retain"), (dev, "Delete")):
        stateful = [r for r in assembly.template("Data")["Resources"].values() if r["Type"] in STATEFUL]
        assert len(stateful) == 6
        assert {(r["DeletionPolicy"], r["UpdateReplacePolicy"]) for r in stateful} == {(policy, policy)}
    custom = {r["Type"] for r in prod.template("Data")["Resources"].values()}
    assert "Custom::S3AutoDeleteObjects" not in custom


def test_tables_that_exist_already_are_used(synthesize: Callable[..., Assembly]) -> None:
    given = synthesize("local", existing_recommendations_table="our-stocks", existing_analytics_table="our-analytics")
    assert given.resources("AWS::DynamoDB::Table", "Data") == {}
    for function in functions(given).values():
        assert function["Environment"]["Variables"]["AMTS_RECOMMENDATIONS_TABLE"] == "our-stocks"
        assert function["Environment"]["Variables"]["AMTS_ANALYTICS_TABLE"] == "our-analytics"


def test_two_environments_can_share_an_account(synthesize: Callable[..., Assembly]) -> None:
    second = synthesize("local", name_suffix="-two")
    assert set(functions(second)) == {f"{name}-two" for name in FUNCTIONS}
    names = [m["StateMachineName"] for m in second.resources("AWS::StepFunctions::StateMachine").values()]
    assert sorted(names) == ["advanced-model-tuning-two", "daily-assessment-two"]
    service = functions(second)["advanced-model-tuning-service-two"]["Environment"]["Variables"]
    assert "advanced-model-tuning-two" in json.dumps(service["AMTS_TUNING_MACHINE_ARN"])
    assert service["POWERTOOLS_SERVICE_NAME"] == "advanced-model-tuning-service"  # what dashboards look for


def test_schedules_follow_the_clock_of_new_york(assembly: Assembly) -> None:
    schedules = {s["Description"]: s for s in assembly.resources("AWS::Scheduler::Schedule").values()}
    assert {s["ScheduleExpression"] for s in schedules.values()} == SCHEDULES.get(
        assembly.environment, {"cron(0 8 ? * MON-FRI *)", "cron(0 2 ? * SUN *)", "cron(0 3 ? 3 SUN#2 *)"}
    )
    machines = assembly.resources("AWS::StepFunctions::StateMachine")
    for schedule in schedules.values():
        assert schedule["ScheduleExpressionTimezone"] == "America/New_York"
        assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
        assert schedule["State"] == ("DISABLED" if assembly.environment == "local" else "ENABLED")
        target = schedule["Target"]
        assert target["DeadLetterConfig"]["Arn"]
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 5}
        daily = "MON-FRI" in schedule["ScheduleExpression"]
        started = machines[target["Arn"]["Ref"]]["StateMachineName"]
        assert started == ("daily-assessment" if daily else "advanced-model-tuning")


def test_scheduled_executions_have_an_input_that_is_accepted(assembly: Assembly) -> None:
    from lambdas.contracts.tuning_run import TuningRequest

    for schedule in assembly.resources("AWS::Scheduler::Schedule").values():
        request = TuningRequest.model_validate_json(schedule["Target"]["Input"])
        daily = "MON-FRI" in schedule["ScheduleExpression"]
        assert request.mode == ("daily" if daily else "comprehensive")


def test_the_topic_is_encrypted_and_speaks_tls_only(assembly: Assembly) -> None:
    (topic,) = assembly.resources("AWS::SNS::Topic").values()
    (key,) = assembly.resources("AWS::KMS::Key").values()
    assert topic["KmsMasterKeyId"]
    assert key["EnableKeyRotation"] is True
    statements = [
        s
        for policy in assembly.resources("AWS::SNS::TopicPolicy").values()
        for s in policy["PolicyDocument"]["Statement"]
    ]
    assert any(s["Effect"] == "Deny" and "aws:SecureTransport" in json.dumps(s["Condition"]) for s in statements)
    # An alarm that may not use the key is silent.
    assert "cloudwatch.amazonaws.com" in json.dumps(key["KeyPolicy"])
    assert any("cloudwatch.amazonaws.com" in json.dumps(s["Principal"]) for s in statements)


def test_an_address_is_subscribed_if_there_is_one(dev: Assembly, synthesize: Callable[..., Assembly]) -> None:
    assert dev.resources("AWS::SNS::Subscription") == {}
    (subscription,) = synthesize("local", alarm_email="desk@example.com").resources("AWS::SNS::Subscription").values()
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "desk@example.com")


def test_outputs_are_those_that_the_command_line_reads(assembly: Assembly) -> None:
    outputs = set(assembly.template("Pipeline")["Outputs"])
    assert {str(output) for output in StackOutput} <= outputs
