"""How readers behave beside being right: at other temperatures of the answer, and where nothing is stated."""
