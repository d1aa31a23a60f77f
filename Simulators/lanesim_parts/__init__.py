"""What stands around a lane: devices, gate, people. Shares no code with the product; speaks bytes, lines and JSON."""
