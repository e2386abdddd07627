"""The benchmark: throughput, CPU, memory, and lag, each with the bound that it has to keep."""
