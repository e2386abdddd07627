"""The real connector over simulated time, against the same tenant and platform that the sandbox serves over sockets.

Days pass in seconds, the same seed gives the same run, and a process can be killed between any two of its steps.
"""

from sandbox.simulation.network import Latency
from sandbox.simulation.scenario import Figures, Scenario, simulate
from sandbox.simulation.simulation import Simulation
from sandbox.simulation.timeline import Killed

__all__ = ["Figures", "Killed", "Latency", "Scenario", "Simulation", "simulate"]
