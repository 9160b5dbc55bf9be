"""Where functions run, and the ways out of there: each choice of `nat`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from assemblies import Assembly


def functions(assembly: Assembly) -> list[dict[str, Any]]:
    return list(assembly.resources("AWS::Lambda::Function").values())


def test_gateways_are_as_many_as_the_setting_says(
    prod: Assembly, staging: Assembly, dev: Assembly, by_instance: Assembly, closed: Assembly
) -> None:
    found = [len(one.resources("AWS::EC2::NatGateway", "Network")) for one in (prod, staging, dev, by_instance, closed)]
    assert found == [2, 1, 1, 0, 0]


@pytest.mark.parametrize("name", ["prod", "staging", "dev", "by_instance", "closed"])
def test_functions_get_out_over_tls_and_nothing_gets_in(request: pytest.FixtureRequest, name: str) -> None:
    assembly: Assembly = request.getfixturevalue(name)
    groups = assembly.resources("AWS::EC2::SecurityGroup", "Network")
    (own,) = [group for logical_id, group in groups.items() if logical_id.startswith("FunctionsSecurityGroup")]
    assert "SecurityGroupIngress" not in own
    assert [(rule["FromPort"], rule["ToPort"]) for rule in own["SecurityGroupEgress"]] == [(443, 443)]
    endpoints = json.dumps(assembly.resources("AWS::EC2::VPCEndpoint", "Network"))
    assert ".s3" in endpoints
    assert ".dynamodb" in endpoints
    assert len(assembly.resources("AWS::EC2::FlowLog", "Network")) == 1
    for function in functions(assembly):
        assert len(function["VpcConfig"]["SubnetIds"]) == 2


def test_a_nat_instance_forwards_https_of_the_functions_only(by_instance: Assembly) -> None:
    (instance,) = by_instance.resources("AWS::EC2::Instance", "Network").values()
    assert instance["InstanceType"] == "t4g.nano"
    assert instance["SourceDestCheck"] is False
    assert instance["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    (launch,) = by_instance.resources("AWS::EC2::LaunchTemplate", "Network").values()
    assert launch["LaunchTemplateData"]["MetadataOptions"] == {"HttpTokens": "required"}
    groups = by_instance.resources("AWS::EC2::SecurityGroup", "Network")
    (nat,) = [group for logical_id, group in groups.items() if "Nat" in logical_id]
    assert {(rule["FromPort"], rule["ToPort"]) for rule in nat["SecurityGroupIngress"]} == {(443, 443)}
    assert "0.0.0.0/0" not in json.dumps(nat["SecurityGroupIngress"])
    assert {(rule["FromPort"], rule["ToPort"]) for rule in nat["SecurityGroupEgress"]} == {(443, 443)}


def test_a_closed_network_has_endpoints_and_no_internet(closed: Assembly) -> None:
    assert closed.resources("AWS::EC2::InternetGateway", "Network") == {}
    endpoints = closed.resources("AWS::EC2::VPCEndpoint", "Network").values()
    interfaces = {
        str(e["ServiceName"]).rpartition(".")[2] for e in endpoints if e.get("VpcEndpointType") == "Interface"
    }
    assert interfaces == {"sns", "states"}
    assert all(e["PrivateDnsEnabled"] for e in endpoints if e.get("VpcEndpointType") == "Interface")
    (rule,) = closed.resources("AWS::EC2::SecurityGroupIngress", "Network").values()
    assert (rule["FromPort"], rule["ToPort"]) == (443, 443)
    assert "FunctionsSecurityGroup" in json.dumps(rule["SourceSecurityGroupId"])


def test_locally_there_is_no_network(local: Assembly) -> None:
    assert all("VpcConfig" not in function for function in functions(local))
