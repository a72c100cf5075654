"""The task pipelines: estimators on the shared adversarial core."""
