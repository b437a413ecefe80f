"""Language models around any recurrent cell, and how they are trained."""
