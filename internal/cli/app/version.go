package app

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"crossring/internal/release"

	"github.com/urfave/cli/v2"
)

// versionDocument says what was built, from what, and what it can run.
type versionDocument struct {
	Version   string   `json:"version"`
	Revision  string   `json:"revision"` // commit; "" where the build did not record it
	Time      string   `json:"time"`     // of the commit, RFC 3339
	Modified  bool     `json:"modified"` // built with changes that no commit has
	Go        string   `json:"go"`
	Cassandra []string `json:"cassandra_versions"` // newest of each series, oldest series first
}

// VersionCommand says what was built.
func VersionCommand(e *Env) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "what this binary was built from, and the Cassandra versions it knows",
		Action: e.Action(func(context.Context, *Env, *cli.Context) (Answer, error) {
			info, _ := debug.ReadBuildInfo()
			doc := versionOf(info)
			return Answer{Doc: doc, Text: func(w io.Writer) error { return writeVersion(w, doc) }}, nil
		}),
	}
}

// versionOf reads the build information; nil is a build that has none.
func versionOf(info *debug.BuildInfo) versionDocument {
	doc := versionDocument{Version: "(devel)", Cassandra: []string{}}
	if info != nil {
		doc.Go = info.GoVersion
		if info.Main.Version != "" {
			doc.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				doc.Revision = s.Value
			case "vcs.time":
				doc.Time = s.Value
			case "vcs.modified":
				doc.Modified = s.Value == "true"
			}
		}
	}
	for _, r := range release.All() {
		doc.Cassandra = append(doc.Cassandra, r.Version)
	}
	return doc
}

func writeVersion(w io.Writer, doc versionDocument) error {
	var b strings.Builder
	fmt.Fprintf(&b, "crossring %s\n", doc.Version)
	if doc.Revision != "" {
		fmt.Fprintf(&b, "  commit     %s", doc.Revision)
		if doc.Time != "" {
			fmt.Fprintf(&b, " of %s", doc.Time)
		}
		if doc.Modified {
			b.WriteString(", with changes")
		}
		b.WriteString("\n")
	}
	if doc.Go != "" {
		fmt.Fprintf(&b, "  go         %s\n", doc.Go)
	}
	fmt.Fprintf(&b, "  cassandra  %s\n", strings.Join(doc.Cassandra, ", "))
	_, err := io.WriteString(w, b.String())
	return err
}

// BuildVersion is the version of this program, for reports.
func BuildVersion() string {
	info, _ := debug.ReadBuildInfo()
	return versionOf(info).Version
}
