"""From what was measured to scores, to whether they can be trusted, and to a verdict."""
