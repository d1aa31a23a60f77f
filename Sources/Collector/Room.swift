// Collector: being laid out.
