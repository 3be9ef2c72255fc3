"""Ties between contacts and customers, and the map that they make."""
