"""What would happen: rules tried on values, on the past (in a process of their own), or on people, marked as a test."""
