"""The relation of a customer by what it buys."""
