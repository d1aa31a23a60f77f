// lanectl: main only.
