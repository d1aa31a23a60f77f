// Devices: being laid out.
