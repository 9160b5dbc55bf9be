"""The stacks: stateful apart from stateless, each only wires constructs."""
