"""First manifests from the settings of other tools; what has no counterpart is named, never dropped in silence."""
