"""The factory's own tests: the template as text, as questions, and as what it renders."""
