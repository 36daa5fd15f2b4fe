"""What a cluster manager is given to run a sweep: an sbatch script for SLURM, a RayJob manifest for Kubernetes.

Texts made from a sweep file; nothing here starts or contacts anything.
"""
