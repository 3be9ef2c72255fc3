"""Customers, contacts, demands and interactions: who the company deals with and what happened."""
