"""Attacks on one model: what is allowed, what is raised, who runs it, and does it work."""
