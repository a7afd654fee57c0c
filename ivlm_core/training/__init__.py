"""Training: dense supervision of the vision tower, then contact, from synthetic interactions."""
