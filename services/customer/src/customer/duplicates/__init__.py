"""Duplicates: what customers are compared by, keys that only one may have, who may be meant, clusters."""
