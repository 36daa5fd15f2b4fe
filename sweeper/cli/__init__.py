"""The commands: each reads its options, calls the package that does the work, and prints.

The only user of Typer. Nothing is decided here that a notebook would need too.
"""
