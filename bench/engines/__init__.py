"""`make engines`: the decision itself beside engines for authorization that can be called from Python, on the same rules."""
