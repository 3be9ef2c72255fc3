"""Customers in tiers by a figure, as they were on a day."""
