package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"crossring/internal/cli/app"
	"crossring/internal/fail"
	"crossring/internal/schema"
	"crossring/internal/topology"

	"github.com/urfave/cli/v2"
)

// schemaCommand prints the JSON Schema of a document.
func schemaCommand(e *app.Env) *cli.Command {
	return &cli.Command{
		Name: "schema", ArgsUsage: "[DOCUMENT]",
		Usage: "the JSON Schema of a document that -o json answers with",
		Description: "DOCUMENT is a heading of docs/json.md; without, those that there are are listed. New keys may appear in documents,\n" +
			"so a schema forbids none. It is of draft 2020-12.\n\n" +
			"  crossring schema\n" +
			"  crossring schema ring > ring.schema.json\n\n" +
			"Exits with 2 for a document that is none.",
		Action: e.Action(func(_ context.Context, e *app.Env, c *cli.Context) (app.Answer, error) {
			switch c.Args().Len() {
			case 0:
				l := documents{Schema: topology.Schema, Documents: schema.Names()}
				return app.Answer{Doc: l, Text: func(out io.Writer) error {
					for _, name := range l.Documents {
						if _, err := fmt.Fprintln(out, name); err != nil {
							return err
						}
					}
					return nil
				}}, nil
			case 1:
			default:
				return app.Answer{}, fail.Usage("", errors.New("schema takes one argument at most, DOCUMENT"), app.HelpFor(c))
			}
			data, err := schema.Of(c.Args().First())
			if err != nil {
				return app.Answer{}, fail.Usage("", err, "crossring schema")
			}
			e.Answered = true // the same by -o json, which it is anyway
			_, err = e.Stdout.Write(data)
			return app.Answer{}, err
		}),
	}
}

// documents are those that have a schema.
type documents struct {
	Schema    string   `json:"schema"`
	Documents []string `json:"documents"`
}
