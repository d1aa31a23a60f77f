// Posix: being laid out.
