"""Credit wing: feedback, the archive, objections, tickets, own decisions, supervision.

Nothing below cli, flows, bootstrap and operations imports it.
"""
