// lanekeeperd: main only.
