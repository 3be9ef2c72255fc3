"""Visits: going to see a customer, planned, done and reported."""
