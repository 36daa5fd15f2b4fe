"""The sweep file, validated: every problem at once, with file, line, key, what was found and what is allowed.

Here and nowhere else: pydantic and YAML. Nothing here knows of results, trainers' code or devices.
"""
