"""The CDK application: settings, stacks, constructs and the two state machines."""
