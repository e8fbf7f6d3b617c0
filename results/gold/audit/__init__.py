"""What people's labels say of a gold set: how often it is right, which threshold keeps a promise, who agrees."""
