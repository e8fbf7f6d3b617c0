"""How good a specialist is: by human references on held-out questions, beside its teacher and simpler answers."""
