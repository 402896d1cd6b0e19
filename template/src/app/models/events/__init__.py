"""Events: facts that services record, one module per resource."""
