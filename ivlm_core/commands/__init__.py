"""The verbs of `ivlm`: one module and one dataclass each; heavy imports happen when they run."""
