"""What a user edits: one folder per component, each with a defs.yaml."""
