"""What people read: tables, figures, the report.

The only user of matplotlib, plotly and jinja2. Nothing here prints.
"""
