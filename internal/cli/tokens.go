package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"crossring/internal/cli/app"
	"crossring/internal/fail"
	"crossring/internal/spec"
	"crossring/tokens"

	"github.com/urfave/cli/v2"
)

func tokensCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name:      "tokens",
		Usage:     "initial tokens for N nodes in each datacenter",
		ArgsUsage: "N [N...]",
		Description: "One N per datacenter. Each datacenter is partitioned as if it were a ring of its own,\n" +
			"and moved against the others so that no token occurs twice. No cluster is needed.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "partitioner", Usage: "space the tokens for `NAME`: random or murmur3, or the class", Value: spec.DefaultPartitioner},
			&cli.StringFlag{Name: "strategy", Usage: "keep datacenters apart as `NAME` does: nts (Cassandra's token-generator) or ccm", Value: "nts"},
		},
		Action: e.Action(printTokens),
	}
}

func printTokens(_ context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
	p, err := tokens.ParsePartitioner(c.String("partitioner"))
	if err != nil {
		return app.Answer{}, fail.Usage("", err, app.HelpFor(c))
	}
	s, err := tokens.ParseStrategy(c.String("strategy"))
	if err != nil {
		return app.Answer{}, fail.Usage("", err, app.HelpFor(c))
	}
	var nodes []int
	for _, arg := range c.Args().Slice() {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 {
			return app.Answer{}, fail.Usage("", fmt.Errorf("%q is not a number of nodes", arg), app.HelpFor(c))
		}
		nodes = append(nodes, n)
	}
	ring, err := tokens.Generate(p, s, nodes)
	var collision *tokens.CollisionError
	if errors.As(err, &collision) {
		app.Note(e.Stderr, "%s; the second is moved to the next free one", collision)
		ring, err = tokens.Separate(p, ring), nil
	}
	if err != nil {
		return app.Answer{}, fail.Usage("", err, app.HelpFor(c))
	}
	return app.Answer{
		Doc:  tokens.NewDocument(p, s, nil, ring),
		Text: func(w io.Writer) error { return tokens.Write(w, p, ring) },
	}, nil
}
