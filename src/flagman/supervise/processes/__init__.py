"""Several processes, each of its own table of the configuration file: started in order, verified, kept, stopped."""
