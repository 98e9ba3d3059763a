"""What trading is: pure values and functions, no I/O, no clock, no randomness."""
