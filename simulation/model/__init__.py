"""Values that all packages of the simulation share: plans, attempts, answers, faults and results.

This package imports none of the others.
"""
