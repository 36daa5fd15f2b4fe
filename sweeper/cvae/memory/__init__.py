"""How much memory a training needs, estimated from its settings alone, and how much a device has. Imports no torch.

Nothing here decides a number of a training: only whether it is begun, and how many trials a pack holds.
"""
