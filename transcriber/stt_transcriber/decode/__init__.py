"""The pool of model threads."""
