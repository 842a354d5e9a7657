"""The typed models: text from outside is parsed into them once, and only they travel inside."""
