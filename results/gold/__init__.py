"""After the gold set: what people say of it (`review`), what that proves (`audit`), and taking it away (`export`)."""
