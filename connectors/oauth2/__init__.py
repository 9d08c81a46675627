"""Any OAuth 2.0 server with revocation and introspection."""
