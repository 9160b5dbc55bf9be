"""The deployed application on one machine: an AWS emulator on loopback, and the real CDK CLI that deploys into it.

The stacks know nothing of it. What the emulator lacks is adapted in `assembly.py`, on a copy of the cloud assembly.
"""
