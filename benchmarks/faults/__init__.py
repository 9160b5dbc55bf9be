"""The two state machines under faults, many times, from a seed: what is promised is checked after each run.

`python -m benchmarks.faults` runs it, docs/reliability.md says what was found. What executes is the synthesized
definition (Choice, Map, Retry, Catch as deployed), interpreted; the handlers are the deployed ones; S3, DynamoDB and
SNS are those of the emulator, over HTTP. Faults come in between the AWS client and the wire, and to the process itself.
"""
