"""Any HTTP API, without writing a connector for it."""
