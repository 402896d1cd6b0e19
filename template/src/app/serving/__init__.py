"""The server processes: HTTP with bounds, and their end."""
