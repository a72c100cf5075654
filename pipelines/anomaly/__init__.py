"""Anomaly detection with a discriminator: images and feature tables."""

from gantools.pipelines.anomaly.detector import GanAnomalyDetector

__all__ = ["GanAnomalyDetector"]
