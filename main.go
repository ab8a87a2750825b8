// Crossring stands up a Cassandra ring across regions, writes in one region,
// reads in the other, and says what it saw.
package main

import (
	"os"

	"crossring/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
