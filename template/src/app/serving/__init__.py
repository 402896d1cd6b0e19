"""The processes that serve: how they speak HTTP, and how they end."""
