"""What the controller builds: children, their data, their training and their rewards."""
