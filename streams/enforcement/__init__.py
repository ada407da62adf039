"""Enforcement points that are written to, as far as they do not come and read the list from :mod:`streams.serve`.

``express`` says what each point can express, ``feeder`` keeps each point equal to the decisions, and there is one module
per point. ``deploy/README.md`` says how each is set up, and what it does while Crible is down.
"""
