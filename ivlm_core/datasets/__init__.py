"""Readers of labelled images: one module per dataset, all yielding `Sample`s."""
