"""Behaviour (CIM): what customers do on web sites, in apps, shops and mails, and the tags that come of it."""
