"""Examples from files: reading, checking and keeping them as tokens. Imports no torch, and pyarrow and tokenizers only
when a file asks for them; nothing here knows models or training.
"""
