"""Code tables of the worker platform. ``basis``: KNOWN in two or more public clients, LIKELY in one."""
