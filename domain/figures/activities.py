"""What is done with figures over time, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.figures.deployment_measuring import DeploymentMeasuring
from domain.figures.figure_gathering import FigureGathering
from domain.figures.figure_reading import FigureReading
from domain.figures.traffic_reading import TrafficReading


@dataclass(frozen=True)
class FigureActivities:
    gathering: FigureGathering
    reading: FigureReading
    measuring: DeploymentMeasuring
    traffic: TrafficReading
