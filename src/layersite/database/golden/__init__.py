"""Goldens: built from a contract, verified, attested, published."""
