"""The operator's and support's desk: the kill switch, what was decided, and orders to take it back.

Services answer it under ``/v1/stops`` and ``/v1/desk`` (``routes``); the commands ask them over HTTP (``client``) and need no
access to Kafka. A stop is kept in a file beside the service (``kill_switch``) and works without Kafka. Any other order goes to
``auth.control`` (``orders``), from which the leader takes it.
"""
