"""One run: the session, its queue and budgets, signals, the runners.

Nothing here prints, and nothing is imported from the command line, the reports or MLflow.
"""
