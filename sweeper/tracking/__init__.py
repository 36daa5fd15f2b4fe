"""The MLflow mirror of a sweep, MLflow's server and its saved views.

The only user of MLflow. The mirror is a copy: nothing is ever read from it.
"""
