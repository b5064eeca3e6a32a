"""Faults: what is broken while people bank, when, and whether the service comes back by itself.

The schedule is part of the plan, drawn from its seed. First safety: while something is broken, nothing wrong may be
seen. Then liveness: when nothing is broken any more, everybody is served again, and soon.
"""
