"""Ashlar's command, which makes projects from the template, and serves each of them."""
