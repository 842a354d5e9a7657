"""What an environment's databases need of servers and clusters; the modules in `library/` are thin shells around it."""
