"""Inputs that go wrong without gradients: corruptions, a few edited values, other neighbors."""
