"""The published InteractVLM: its checkpoints, its conventions and its numbers."""
