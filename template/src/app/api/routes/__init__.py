"""The routes, a module per resource. A handler reads as a sentence: it takes what it needs and calls one service."""
