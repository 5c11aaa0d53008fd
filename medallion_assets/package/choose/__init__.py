"""Which records a recipe takes, and how often."""
