"""CDK entry point: `AMTS_ENV` chooses the settings, they decide everything else."""

from __future__ import annotations

import aws_cdk as cdk

from cdk_app.application import compose
from cdk_app.settings import load_settings

app = cdk.App()
compose(app, load_settings())
app.synth()
