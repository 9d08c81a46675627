"""Roundup, through its REST interface."""
