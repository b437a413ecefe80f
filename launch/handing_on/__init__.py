"""What was found, for one's own code: Keras cells and models of any name, text or workdir.

It may import explorations, records, experiments, child_models.
Put here by mistake: files that stand alone: those are child_models.source_code's.
"""
