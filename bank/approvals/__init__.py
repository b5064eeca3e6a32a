"""Approvals by a second member of staff: approve, reject, expire, and the requests for a change of a role."""
