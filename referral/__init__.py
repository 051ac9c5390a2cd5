"""Recommendation requests before ketamine infusions."""
