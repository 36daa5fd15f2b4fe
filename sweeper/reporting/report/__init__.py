"""The report: one HTML page of a sweep that needs nothing beside it.

The only user of jinja2.
"""
