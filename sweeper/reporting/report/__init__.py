"""The report: one self-contained HTML page of a sweep.

The only user of jinja2.
"""
