// LaneDaemon: being laid out.
