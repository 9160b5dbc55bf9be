"""Building blocks, one a file; the stacks only wire them."""
