"""The two HTTP clients: a sync reads Workplace and writes Engage, an upload writes Workplace."""
