"""The nouns: frozen, validated values without I/O. Data flows through them one way."""
