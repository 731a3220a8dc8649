"""Times with units, machine and versions, the peers measured in the same run; never assertions.

``python -m benchmarks`` lists them.
"""
