"""The only orchestrating layer: experiment config, the flows label / sweep / compare, the command line."""
