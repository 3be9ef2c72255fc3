"""Alerts: what is due or overdue with customers, raised once and told to whoever looks after them."""
