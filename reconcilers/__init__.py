"""The engine: plans and applies, and knows nothing of HTTP, Kubernetes or the clock."""
