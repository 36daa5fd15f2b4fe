"""The verdicts on the claims of a sweep file.

Nothing here knows how a verdict is shown.
"""
