"""Schemas of requests and answers: validated on the way in, documented with examples, typed on the way out."""
