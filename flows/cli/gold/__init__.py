"""Commands on gold sets: export, review, specialise."""
