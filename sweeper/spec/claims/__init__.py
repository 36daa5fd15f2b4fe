"""The claims of `expect:`: the keys of the sweep file and the records that they become.

Nothing here reads results; the verdicts are in `analysis/claims/`.
"""
