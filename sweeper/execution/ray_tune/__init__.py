"""The Ray backend: the cluster, the trainable, the mailbox between driver and workers.

The only user of Ray.
"""
