"""Synthetic interactions: parametric objects, scenes and their labels from geometry."""
