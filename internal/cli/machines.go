package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"crossring/internal/cluster"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/fail"
	"crossring/internal/load"
	"crossring/internal/plain"
	"crossring/internal/run"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

func (e *env) sshCommand() *cli.Command {
	return &cli.Command{
		Name: "ssh", Usage: "open a shell on a node's machine", ArgsUsage: "NAME[:NODE]",
		Description: "For clusters of hosts and ec2. Without a terminal: crossring exec.",
		Action: e.action(func(ctx context.Context, e *env, c *cli.Context) (answer, error) {
			return withName(c, e, func(w cluster.World, ref string) (answer, error) {
				in, ok := e.stdin.(*os.File)
				if !ok || !term.IsTerminal(int(in.Fd())) {
					return answer{}, fail.Usage("", errors.New("ssh needs a terminal"), plain.Command("crossring", "exec", ref, "--", "COMMAND"))
				}
				e.answered = true // the shell's own words
				return answer{}, e.shell(ctx, w, ref, in)
			})
		}),
	}
}

// shell gives the terminal to a machine's shell.
func (e *env) shell(ctx context.Context, w cluster.World, ref string, in *os.File) error {
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
	t := sshhost.Terminal{Type: e.variable("TERM"), Width: width, Height: height, Resized: sizes}
	err = run.SSH(ctx, w, ref, t, cluster.Streams{In: in, Out: e.stdout, Err: e.stderr})
	return errors.Join(err, term.Restore(fd, before))
}

func (e *env) execCommand() *cli.Command {
	return &cli.Command{
		Name: "exec", Usage: "run a command on a node's machine, or on all of them", ArgsUsage: "NAME[:NODE] [--] COMMAND [ARG...]",
		Description: "For clusters of hosts and ec2. One argument is a line for the shell; several are the words of a command.\n" +
			"On all machines each line bears its node's name; exits with 3 when it failed on some.",
		Action: e.action(func(ctx context.Context, e *env, c *cli.Context) (answer, error) {
			if c.Args().Len() < 2 {
				return answer{}, fail.Usage("", errors.New("exec takes NAME[:NODE] and a command"), "crossring exec NAME:1 -- uptime")
			}
			w, err := e.world(c)
			if err != nil {
				return answer{}, err
			}
			e.answered = true // the command's own words
			return answer{}, run.Exec(ctx, w, c.Args().First(), c.Args().Tail(), cluster.Streams{In: e.stdin, Out: e.stdout, Err: e.stderr})
		}),
	}
}

// loaderCommand is what a loader's machine is told to run; not for people.
func (e *env) loaderCommand() *cli.Command {
	return &cli.Command{
		Name: load.LoaderCommand, Hidden: true, Usage: "load a datacenter as told on standard input",
		Action: e.action(func(ctx context.Context, e *env, _ *cli.Context) (answer, error) {
			defer loadGC()()
			e.answered = true // raw results
			return answer{}, load.Loader(ctx, e.stdin, e.stdout, e.stderr)
		}),
	}
}
