"""Pixel values of several views back to vertices."""
