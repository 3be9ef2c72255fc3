"""The audit trail: everything that every service announces, as a chain of hashes."""
