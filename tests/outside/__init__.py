"""Rendered projects among what stands around a service: browsers, poolers, proxies, kills, load."""
