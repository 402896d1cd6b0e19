"""The tools that only development and tests need: nothing here runs in production."""
