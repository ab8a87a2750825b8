package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/fail"

	"github.com/urfave/cli/v2"
)

// waitCommands is a command that runs until it is told to stop. With --stubborn
// it says that it was told, and runs on; with --fine it ends well all the same.
func waitCommands(e *Env) []*cli.Command {
	return []*cli.Command{{
		Name: "wait", Usage: "wait for a signal",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "stubborn"}, &cli.BoolFlag{Name: "fine"}},
		Action: e.Action(func(ctx context.Context, e *Env, c *cli.Context) (Answer, error) {
			fmt.Fprintln(e.Stdout, "waiting")
			<-ctx.Done()
			if c.Bool("stubborn") {
				fmt.Fprintln(e.Stdout, "told")
				select {}
			}
			doc := map[string]int{"rows": 7}
			if c.Bool("fine") {
				return Answer{Doc: doc}, nil
			}
			return Answer{Doc: doc}, fmt.Errorf("waiting: %w", ctx.Err())
		}),
	}}
}

// waitEnv makes the test binary the process that TestSignals sends signals to.
const waitEnv = "CROSSRING_TEST_WAIT"

// waitMain is the main of a process that the tests send signals to.
func waitMain() {
	os.Exit(Main(os.Args, os.Stdin, os.Stdout, os.Stderr, waitCommands))
}

func TestSignals(t *testing.T) {
	for _, tt := range []struct {
		name    string
		args    []string
		signals []syscall.Signal
		code    int
		stdout  string
		stderr  []string
	}{
		{"one SIGINT", nil, []syscall.Signal{syscall.SIGINT}, fail.ExitInterrupted, "",
			[]string{"crossring: interrupt: finishing what is in flight", "crossring: error: stopped by a signal: interrupt: waiting: context canceled"}},
		{"one SIGTERM", nil, []syscall.Signal{syscall.SIGTERM}, fail.ExitInterrupted, "",
			[]string{"crossring: terminated: finishing", "stopped by a signal: terminated"}},
		{"the document as far as it got", []string{"-o", "json"}, []syscall.Signal{syscall.SIGINT}, fail.ExitInterrupted,
			"{\n  \"schema\": \"crossring/v1\",\n  \"rows\": 7,\n  \"error\": {\n    \"code\": 130,", nil},
		{"finished well all the same", []string{"--fine"}, []syscall.Signal{syscall.SIGINT}, fail.ExitOK, "", []string{"finishing what is in flight"}},
		{"two", []string{"--stubborn"}, []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, fail.ExitInterrupted, "told\n",
			[]string{"finishing what is in flight", "crossring: leaving at once"}},
		{"two kinds", []string{"--stubborn"}, []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, fail.ExitInterrupted, "told\n",
			[]string{"crossring: leaving at once"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], append([]string{"wait"}, tt.args...)...)
			cmd.Env = append(os.Environ(), waitEnv+"=1")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			pipe, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out := bufio.NewReader(pipe)
			said := ""
			for i, s := range tt.signals {
				// Each signal waits for the line that says the process is there.
				line, err := out.ReadString('\n')
				if err != nil {
					t.Fatalf("waiting for line %d: %v; stderr %s", i+1, err, &stderr)
				}
				if i > 0 {
					said += line
				}
				if err := cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
			rest, err := io.ReadAll(out)
			if err != nil {
				t.Fatal(err)
			}
			said += string(rest)
			err = cmd.Wait()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d; stderr %s", code, tt.code, &stderr)
			}
			if !strings.HasPrefix(said, tt.stdout) {
				t.Errorf("stdout %q, want %q", said, tt.stdout)
			}
			for _, want := range tt.stderr {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("stderr lacks %q:\n%s", want, &stderr)
				}
			}
		})
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(waitEnv) != "" {
		waitMain()
	}
	os.Exit(m.Run())
}
