"""The page of `ashlar explore`: the template's options, and the trees that they give."""
