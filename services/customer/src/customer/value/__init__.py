"""Scores of customers by models of criteria, weights and points."""
