"""Throughput, CPU, memory, lag and the rest, measured on this machine: each figure a ratio or a bound in one run."""
