"""What a report says, a module for each of the questions that it answers.

It may import the modules of `reports` beside it.
Put here by mistake: what is counted for it: that is `evidence`, `learning`, `columns`.
"""
