"""Kinds of child, a row each (`rows.KINDS`): how one is loaded, trained, tested, by which plans.

It may import what evaluators may. A fifth kind: see CONTRIBUTING.
Put here by mistake: where children are trained, and when: that is the evaluators'.
"""
