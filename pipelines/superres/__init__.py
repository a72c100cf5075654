"""Super-resolution: learn from pictures of one kind, and enlarge others of that kind."""

from gantools.pipelines.superres.resolver import GanSuperResolver

__all__ = ["GanSuperResolver"]
