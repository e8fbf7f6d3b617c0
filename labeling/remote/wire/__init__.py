"""What goes to a provider and comes back: the official SDKs, bounds on time and size, keys masked in every reply."""
