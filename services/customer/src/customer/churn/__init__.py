"""Customers that seem to leave."""
