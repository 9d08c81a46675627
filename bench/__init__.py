"""The benchmark: the floor and the server side by side, under the same load. Run `python -m bench`."""
