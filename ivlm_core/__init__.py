"""InteractVLM for robots: where people and objects touch, on real 3D surfaces."""

__version__ = "0.1.0"
