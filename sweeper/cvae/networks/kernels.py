"""From what sizes on the networks compute otherwise, by measurement (SIZES.md). Imports no torch.

Decided by sizes alone, never by the machine, and larger than those of all tasks but ``file``: their numbers stay.
"""

from __future__ import annotations

GATHERED_ABOVE = 128  # tokens of a vocabulary: its rows are then gathered, not the product of one-hot vectors
FUSED_ABOVE = 192  # positions attended to: attention is then torch's scaled_dot_product_attention
