"""The template's five rules: what a site consists of, and that it works, updates and conflicts nowhere."""
