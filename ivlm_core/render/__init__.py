"""Meshes to pixel maps and shaded views, and vertex values to pixels."""
