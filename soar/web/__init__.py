"""The HTTP face: webhooks for senders, an API for programs, health for whoever watches."""
