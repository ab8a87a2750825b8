package app

import (
	"fmt"

	"crossring/internal/cluster"
	"crossring/internal/fail"

	"github.com/urfave/cli/v2"
)

// WithName calls f with the world and the one argument of the command.
func WithName(c *cli.Context, e *Env, f func(w cluster.World, name string) (Answer, error)) (Answer, error) {
	if c.Args().Len() != 1 {
		return Answer{}, fail.Usage("", fmt.Errorf("%s takes one argument, %s", c.Command.Name, c.Command.ArgsUsage), HelpFor(c))
	}
	w, err := e.World(c)
	if err != nil {
		return Answer{}, err
	}
	return f(w, c.Args().First())
}
