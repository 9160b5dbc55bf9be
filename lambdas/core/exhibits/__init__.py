"""What a report draws and no gate reads. Importing this package imports nothing; `values` needs pydantic alone."""
