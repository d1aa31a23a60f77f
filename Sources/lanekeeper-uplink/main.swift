// lanekeeper-uplink: main only.
