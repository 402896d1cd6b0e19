"""The routes, a module per resource. A handler takes its arguments and calls one service."""
