"""Smoke tests belong to a site; the product's own root is a template and has none of a site's files."""

collect_ignore = ["smoke"]
