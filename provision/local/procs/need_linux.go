package procs

// NeedLinux is nil here; elsewhere it is a *NotLinuxError with its arguments.
func NeedLinux(what, instead string) error { return nil }
