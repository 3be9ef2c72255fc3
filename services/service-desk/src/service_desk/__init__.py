"""Service requests: what a customer wants done, from the first word to the customer's contentment."""
