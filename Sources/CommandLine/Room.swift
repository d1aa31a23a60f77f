// CommandLine: being laid out.
