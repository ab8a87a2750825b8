package loadcli

import (
	"context"

	"crossring/internal/cli/app"
	"crossring/internal/load"

	"github.com/urfave/cli/v2"
)

// Loader is what a loader's machine is told to run; not for people.
func Loader(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: load.LoaderCommand, Hidden: true, Usage: "load a datacenter as told on standard input",
		Action: e.Action(func(ctx context.Context, e *app.Env, _ *cli.Context) (app.Answer, error) {
			defer loadGC()()
			e.Answered = true // raw results
			return app.Answer{}, load.Loader(ctx, e.Stdin, e.Stdout, e.Stderr)
		}),
	}
}

// loaderFlags are for commands that load a cluster.
func loaderFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "loaders", Usage: "load each datacenter from `N` of its machines (hosts, ec2); 0 loads from here, through SSH", Value: 1},
		&cli.StringFlag{Name: "loader-binary", Usage: "take `FILE` for the program on the machines, where their architecture is another"},
	}
}
