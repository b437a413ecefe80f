"""What can be asked for: experiments by name, what they are made of, overrides.

It may import configurations of child_models and controller.
Put here by mistake: running one: that is searches' and trainings'.
"""
