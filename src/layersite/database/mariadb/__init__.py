"""Goldens and clones on MariaDB: the same contract and checks, in another dialect and with what that server can do."""
