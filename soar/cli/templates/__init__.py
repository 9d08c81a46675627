"""What `soar init` writes."""
