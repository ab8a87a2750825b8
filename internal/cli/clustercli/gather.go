package clustercli

import (
	"errors"

	"crossring/internal/cli/app"
	"crossring/internal/fail"
	"crossring/internal/run"

	"github.com/urfave/cli/v2"
)

func noCollectFlag() cli.Flag {
	return &cli.BoolFlag{Name: "no-collect", Usage: "do not fetch logs and configuration from the machines first"}
}

// gathering reads --no-collect, and --collect where the command has it.
func gathering(c *cli.Context) (run.Gathering, error) {
	switch {
	case c.Bool("no-collect") && c.Bool("collect"):
		return run.GatherNever, fail.Usage("", errors.New("--collect and --no-collect exclude each other"), app.HelpFor(c))
	case c.Bool("no-collect"):
		return run.GatherNever, nil
	case c.Bool("collect"):
		return run.GatherAlways, nil
	}
	return run.GatherRemote, nil
}
