"""From a delivery to open executions: receive, verify, keep, normalize, match, open."""
