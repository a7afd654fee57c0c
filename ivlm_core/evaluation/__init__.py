"""How good the answers are: metrics, what a blind guess scores, and reports."""
