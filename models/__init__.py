"""What is known about authentication. Pure: no Kafka, no HTTP, no environment, no clock; ``now`` is always an argument.

In reading order; each module imports only from above it::

    errors      what went wrong, where, what to do          ids        stable ids and hashes
    events      AuthEvent, the wire form of one attempt     addresses  what an address is counted as
    accounts    which mailbox a log-in opens, groups        geo        where an address is
    attempts    an event with its who and where resolved
    alerts      what is raised                              windows    counters that slide in event time
    stage       state of one partition: apply, checkpoint, restore, bounded size
    detectors   online models (River)
    by_source   -> by_account -> service                    the three stages
    changelog   checkpoints on the wire                     frames     records between the stages
    partition   Kafka's partitioner
    pipeline    the three stages in a for-loop
    policy      what may be decided                         decisions  alerts -> decisions
    accusations alerts against labels                       evaluation decisions and verdicts against labels
"""
