"""`promptfooconfig.yaml` as it stands: a suite for every prompt with every provider that it is for."""
