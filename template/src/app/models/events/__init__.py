"""What happens, as facts that services record: one module per resource."""
