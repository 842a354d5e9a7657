"""A real cluster, Argo CD and forge on one machine, without Docker: see README.md beside this file."""
