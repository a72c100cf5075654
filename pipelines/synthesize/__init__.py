"""Synthesis: new samples of the kind that were learnt from."""

from gantools.pipelines.synthesize.synthesizer import GanSynthesizer

__all__ = ["GanSynthesizer"]
