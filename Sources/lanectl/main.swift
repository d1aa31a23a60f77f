import Glibc
import Posix
import Technician

SignalWatch.ignoreBrokenPipe()
exit(Lanectl(Lanectl.program.parseOrExit()).run())
