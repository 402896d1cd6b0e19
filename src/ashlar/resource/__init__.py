"""`ashlar add resource`: a resource in all layers, in the style of the house."""
