"""The HTTP interface: the only layer that knows about requests, answers and status codes."""
