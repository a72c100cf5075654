"""Pictures of one kind made into pictures of another."""

from gantools.pipelines.translate.translator import GanTranslator

__all__ = ["GanTranslator"]
