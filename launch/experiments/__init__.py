"""What can be asked for: experiments by name, what they are made of, overrides."""
