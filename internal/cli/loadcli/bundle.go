package loadcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"crossring/internal/bundle"
	"crossring/internal/cli/app"
	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/load"
	"crossring/internal/plain"

	"github.com/urfave/cli/v2"
)

// bundleFlags are those of report that make an archive.
func bundleFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "bundle", Usage: "pack the report, the documents and the results into `FILE`, a .tar.gz that must not be there yet"},
		&cli.BoolFlag{Name: "anonymous", Usage: "with --bundle: without addresses, paths and the names of cluster, computer and user, and without raw results"},
	}
}

// bundled makes an archive of a run to share.
func bundled(ctx context.Context, w cluster.World, c *cli.Context, path string) (app.Answer, error) {
	file, anonymous := c.String("bundle"), c.Bool("anonymous")
	if file == "" {
		return app.Answer{}, fail.Usage("", errors.New("--anonymous is of an archive: give --bundle, too"), app.HelpFor(c))
	}
	b, err := load.Bundle(ctx, w, path, anonymous)
	if err != nil {
		return app.Answer{}, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return app.Answer{}, fail.Usage("", fmt.Errorf("--bundle: %w", err), app.HelpFor(c))
	}
	if err := errors.Join(bundle.Write(f, b.Name, b.At, b.Files), f.Close()); err != nil {
		return app.Answer{}, errors.Join(err, os.Remove(file))
	}
	doc := b.Document(path, file, anonymous)
	return app.Answer{Doc: doc, Text: func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "%s of %s in %s\n", plain.Count(len(doc.Files), "file"), path, file)
		return err
	}}, nil
}
