"""Ashlar's command, which serves every project made from the template: `ashlar update`."""
