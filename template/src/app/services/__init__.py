"""Decisions: what the application does, said in terms of the domain. Services may flush; they never commit."""
