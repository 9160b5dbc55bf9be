"""The machine itself on trial (definitions, section 9): markets whose truth is known, and how often it says so."""
