"""CDK entry point: settings -> stacks -> tags -> checks -> synth."""

from __future__ import annotations

import aws_cdk as cdk
import cdk_nag

from cdk_app.application import add_stacks
from cdk_app.settings import load_settings

settings = load_settings()
app = cdk.App()
add_stacks(app, settings)
for key, value in {"Application": "amts", "Environment": settings.environment, **settings.tags}.items():
    cdk.Tags.of(app).add(key, value)
cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
app.synth()
