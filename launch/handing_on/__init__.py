"""What was found, to go on with: Keras cells, models, pictures of any name, text or workdir.

It may import explorations, results, records, experiments, child_models.
Put here by mistake: files that stand alone: those are child_models.source_code's.
"""
