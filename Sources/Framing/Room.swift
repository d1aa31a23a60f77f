// Framing: being laid out.
