package clustercli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/run"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// SSH opens a shell on a machine.
func SSH(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "ssh", Usage: "open a shell on a node's machine", ArgsUsage: "NAME[:NODE]",
		Description: "For clusters of hosts and ec2. Without a terminal: crossring exec.",
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			return app.WithName(c, e, func(w cluster.World, ref string) (app.Answer, error) {
				in, ok := e.Stdin.(*os.File)
				if !ok || !term.IsTerminal(int(in.Fd())) {
					return app.Answer{}, fail.Usage("", errors.New("ssh needs a terminal"), plain.Command("crossring", "exec", ref, "--", "COMMAND"))
				}
				e.Answered = true // the shell's own words
				return app.Answer{}, shell(e, ctx, w, ref, in)
			})
		}),
	}
}

// shell gives the terminal to a machine's shell.
func shell(e *app.Env, ctx context.Context, w cluster.World, ref string, in *os.File) error {
	fd := int(in.Fd())
	width, height, err := term.GetSize(fd)
	if err != nil {
		return fmt.Errorf("asking for the terminal's size: %w", err)
	}
	before, err := term.MakeRaw(fd)
	if err != nil {
		return fmt.Errorf("giving the terminal away: %w", err)
	}
	sizes, stop := resizes(fd)
	defer stop()
	t := sshhost.Terminal{Type: e.Variable("TERM"), Width: width, Height: height, Resized: sizes}
	err = run.SSH(ctx, w, ref, t, cluster.Streams{In: in, Out: e.Stdout, Err: e.Stderr})
	return errors.Join(err, term.Restore(fd, before))
}

// Exec runs a command on machines.
func Exec(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "exec", Usage: "run a command on a node's machine, or on all of them", ArgsUsage: "NAME[:NODE] [--] COMMAND [ARG...]",
		Description: "For clusters of hosts and ec2. One argument is a line for the shell; several are the words of a command.\n" +
			"On all machines each line bears its node's name; exits with 3 when it failed on some.",
		Action: e.Action(func(ctx context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			if c.Args().Len() < 2 {
				return app.Answer{}, fail.Usage("", errors.New("exec takes NAME[:NODE] and a command"), "crossring exec NAME:1 -- uptime")
			}
			w, err := e.World(c)
			if err != nil {
				return app.Answer{}, err
			}
			e.Answered = true // the command's own words
			return app.Answer{}, run.Exec(ctx, w, c.Args().First(), c.Args().Tail(), cluster.Streams{In: e.Stdin, Out: e.Stdout, Err: e.Stderr})
		}),
	}
}
