"""Affordance for grasp planners: where to look, and how good a candidate's place is."""
