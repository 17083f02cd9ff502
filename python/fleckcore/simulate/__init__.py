"""A detector with known flecks."""
