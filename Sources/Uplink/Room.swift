// Uplink: being laid out.
