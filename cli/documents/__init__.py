"""Parts of the documents that are generated from the code: `make docs` writes them, a test holds them to it."""
