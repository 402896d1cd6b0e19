"""Queries: one function, one statement. Repositories neither flush nor commit."""
