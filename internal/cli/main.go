// Package cli is the command line: the tree of commands, in the order of the help. They
// are in packages by subject, and thin: they fill in structs, call what does the work, and
// say what came of it. What they share is in internal/cli/app, and how a line is read in
// internal/cli/line.
package cli

import (
	"io"

	"crossring/internal/cli/app"
	"crossring/provision/local"
)

// Main runs one command line, args[0] being the program's name, and returns the
// exit code. It never exits the process; after a second signal it returns while
// the command may still be running.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 1 && args[1] == local.KeeperCommand {
		return local.Keeper(args[2:]) // has signals, streams and a life of its own
	}
	return app.Main(args, stdin, stdout, stderr, commands)
}
