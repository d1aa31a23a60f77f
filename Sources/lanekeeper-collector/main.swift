// lanekeeper-collector: main only.
