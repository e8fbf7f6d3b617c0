"""How files that people write are read: JSON, JSON Lines, CSV, TOML, Parquet, and plain text.

Each format is read as its definition has it: a key or a column that is given twice is refused, a byte order mark is
understood, and whatever a parser raises becomes an error of one line with the file and the place. What a field means
is not known here.
"""
