"""What a trainer is: found by its name, described without being run, known by the digest of its code.

Nothing here trains: `execution/worker` calls the function, and the bundled trainer is `cvae`.
"""
