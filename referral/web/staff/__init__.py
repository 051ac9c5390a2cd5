"""The pages of the clinic's own people."""
