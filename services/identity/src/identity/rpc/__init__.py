"""The RPCs of identity, one module for each service of the contract."""
