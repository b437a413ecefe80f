"""`report.html` of a search: its numbers, its sentences and its page, written or served.

It may import results, evaluators, records, experiments, host.
Put here by mistake: what Python and a notebook show of a search: that is `results`.
"""
