"""Private subnets for the functions, and the ways out of them."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from cdk_app.constructs.acknowledge import CLOUDFORMATION, acknowledge
from cdk_app.constructs.engine_function import Placement
from cdk_app.constructs.log_group import log_group
from cdk_app.settings import AppSettings


class NetworkStack(cdk.Stack):
    """VPC with private subnets; S3 and DynamoDB are reached by gateway endpoints, all else by NAT over HTTPS only."""

    def __init__(self, scope: Construct, id: str, *, settings: AppSettings, **kwargs: Any) -> None:
        self._zones = list(settings.availability_zones)
        super().__init__(scope, id, **kwargs)
        flow_logs = log_group(self, "FlowLogs", name=f"/aws/vpc/{settings.named('amts')}", settings=settings)
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(settings.vpc_cidr),
            availability_zones=self._zones,
            nat_gateways=len(self._zones) if settings.nat == "per_az" else 1,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=26, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="Functions", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=23),
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
            flow_logs={
                "Rejected": ec2.FlowLogOptions(
                    destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow_logs),
                    traffic_type=ec2.FlowLogTrafficType.REJECT,
                )
            },
        )
        acknowledge(
            vpc, "W3010", "Zones are a setting: looking them up would need credentials at synth.", check=CLOUDFORMATION
        )
        functions = ec2.SecurityGroup(
            self,
            "FunctionsSecurityGroup",
            vpc=vpc,
            description="AMTS functions: nothing comes in, only HTTPS goes out",
            allow_all_outbound=False,
        )
        functions.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS and data sources over TLS")
        self.placement = Placement(vpc=vpc, security_group=functions)

    @property
    def availability_zones(self) -> list[str]:
        """The zones of the settings: CDK would otherwise ask the account for them, at synth."""
        return self._zones
