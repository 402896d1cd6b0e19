"""What only `app dev` and the tests need: nothing here runs in production."""
