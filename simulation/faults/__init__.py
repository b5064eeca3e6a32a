"""Faults: the failures during the drive, their schedule, and the recovery of the service without help.

The schedule is part of the plan and drawn from its seed. Two properties are examined. Safety: during a fault, no answer
is wrong. Liveness: after the fault, the service answers everybody again within a bound.
"""
