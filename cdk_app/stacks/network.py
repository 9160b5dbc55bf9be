"""Private subnets for the functions, and the ways out of them."""

from __future__ import annotations

from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from cdk_app.constructs.acknowledge import CLOUDFORMATION, acknowledge
from cdk_app.constructs.engine_function import Placement
from cdk_app.constructs.log_group import log_group
from cdk_app.settings import AppSettings

# The AWS services that functions call, and that have no gateway endpoint: the service announces and starts machines.
# X-Ray and logs leave through Lambda itself.
CALLED = {
    "Sns": ec2.InterfaceVpcEndpointAwsService.SNS,
    "StepFunctions": ec2.InterfaceVpcEndpointAwsService.STEP_FUNCTIONS,
}


class NetworkStack(cdk.Stack):
    """VPC with private subnets: S3 and DynamoDB by gateway endpoints, all else as `nat` says, over HTTPS only."""

    def __init__(self, scope: Construct, id: str, *, settings: AppSettings, **kwargs: Any) -> None:
        self._zones = list(settings.availability_zones)
        super().__init__(scope, id, **kwargs)
        flow_logs = log_group(self, "FlowLogs", name=f"/aws/vpc/{settings.named('amts')}", settings=settings)
        instance = _nat_instance() if settings.nat == "instance" else None
        closed = settings.nat == "none"
        private = ec2.SubnetType.PRIVATE_ISOLATED if closed else ec2.SubnetType.PRIVATE_WITH_EGRESS
        subnets = [ec2.SubnetConfiguration(name="Functions", subnet_type=private, cidr_mask=23)]
        if not closed:
            public = ec2.SubnetConfiguration(
                name="Public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=26, map_public_ip_on_launch=False
            )
            subnets.insert(0, public)
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(settings.vpc_cidr),
            availability_zones=self._zones,
            nat_gateways={"per_az": len(self._zones), "none": 0}.get(settings.nat, 1),
            nat_gateway_provider=instance,
            subnet_configuration=subnets,
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
        if closed:
            self._add_endpoints(vpc, functions)
        if instance is not None:
            self._harden(vpc, instance)
        self.placement = Placement(vpc=vpc, security_group=functions, subnets=ec2.SubnetSelection(subnet_type=private))

    @property
    def availability_zones(self) -> list[str]:
        """The zones of the settings: CDK would otherwise ask the account for them, at synth."""
        return self._zones

    def _add_endpoints(self, vpc: ec2.Vpc, functions: ec2.SecurityGroup) -> None:
        """Add an entrance to each service that functions call, open to them alone."""
        entrances = ec2.SecurityGroup(
            self,
            "EndpointsSecurityGroup",
            vpc=vpc,
            description="AMTS endpoints: HTTPS from the functions, nothing goes out",
            allow_all_outbound=False,
        )
        entrances.add_ingress_rule(functions, ec2.Port.tcp(443), "The functions, over TLS")
        for name, service in CALLED.items():
            vpc.add_interface_endpoint(name, service=service, security_groups=[entrances], open=False)

    def _harden(self, vpc: ec2.Vpc, nat: ec2.NatInstanceProviderV2) -> None:
        """Let the functions' subnets through the NAT instance over HTTPS, and nothing else in or out of it."""
        for subnet in vpc.private_subnets:
            nat.security_group.add_ingress_rule(ec2.Peer.ipv4(subnet.ipv4_cidr_block), ec2.Port.tcp(443), "Functions")
        nat.security_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS and data sources over TLS")
        for instance in nat.gateway_instances:
            cdk.Aspects.of(instance).add(ec2.InstanceRequireImdsv2Aspect())
            resource = cast(ec2.CfnInstance, instance.node.default_child)
            encrypted = ec2.CfnInstance.EbsProperty(encrypted=True)  # the provider has no argument for it
            resource.block_device_mappings = [
                ec2.CfnInstance.BlockDeviceMappingProperty(device_name="/dev/xvda", ebs=encrypted)
            ]
            acknowledge(instance, "EC28", "A router that keeps nothing: its network graphs a point every five minutes.")
            acknowledge(instance, "EC29", "A router that keeps nothing: replaced whenever its image is.")


def _nat_instance() -> ec2.NatInstanceProviderV2:
    """Return the smallest instance that forwards packets, of the image that AWS renews."""
    return ec2.NatProvider.instance_v2(
        instance_type=ec2.InstanceType("t4g.nano"),
        machine_image=ec2.MachineImage.latest_amazon_linux2023(cpu_type=ec2.AmazonLinuxCpuType.ARM_64),
        default_allowed_traffic=ec2.NatTrafficDirection.NONE,
        associate_public_ip_address=True,
    )
