"""Commands on questions: drafting them from documents."""
