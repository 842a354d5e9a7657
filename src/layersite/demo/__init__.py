"""Show the whole path on one machine: services, their data, three changes, their environments, and their end.

Every step runs the commands that a team would type; nothing is made up for the show. It needs git alone.
"""
