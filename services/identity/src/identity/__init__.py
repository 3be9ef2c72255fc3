"""Who may do what: people, the organisation, roles, login."""
