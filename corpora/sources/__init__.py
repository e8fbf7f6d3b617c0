"""Where a corpus comes from: the user's own folder or tables, formats that others publish, the sample, the generator.

A source turns files into documents and questions and refuses what it cannot read exactly; it does not sample or join
anything. What tables of every source have in common, rows and checked fields, is beside them.
"""
