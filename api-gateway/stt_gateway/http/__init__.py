"""HTTP routes and the limits of HTTP connections."""
