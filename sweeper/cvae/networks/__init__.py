"""The model: the transformer, the discrete-latent CVAE, generation from it.

Nothing here knows of losses or training.
"""
