"""For tests: of this package, and of playbooks and connectors written for it."""
