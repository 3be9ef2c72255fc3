"""How a service runs: settings, RPC server, caller, scope, database, outbox, inbox, errors, logs, metrics."""
