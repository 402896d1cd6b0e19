"""What `copier update` has left behind, and what the next one would do; for checkouts, never in production."""
