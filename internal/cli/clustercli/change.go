package clustercli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"crossring/internal/grow"
	"crossring/internal/topology"

	"github.com/urfave/cli/v2"
)

func removeNodeFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "remove-node", Usage: "where the spec has fewer nodes than run, `NODE` is one that goes; may be repeated"}
}

func replaceNodeFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "replace-node", Usage: "`NODE` is dead: an empty one takes its name and tokens and, but on ec2, its addresses; may be repeated"}
}

func nodeChoice(c *cli.Context) grow.NodeChoice {
	return grow.NodeChoice{Remove: c.StringSlice("remove-node"), Replace: c.StringSlice("replace-node")}
}

// writeChange prints how a running cluster becomes the plan.
func writeChange(out io.Writer, change *topology.Change) {
	if change == nil {
		return
	}
	fmt.Fprintln(out, "\nthe cluster runs; what changes on it:")
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NODE\t\tTOKENS BEFORE\tAFTER\tOWNS\tAFTER\tRECEIVES")
	for _, n := range change.Nodes {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%.1f%%\t%.1f%%\t%s\n", n.Name, n.What, orDash(tokenList(n.TokensBefore)),
			orDash(tokenList(n.TokensAfter)), 100*n.OwnsBefore, 100*n.OwnsAfter, amount(n.Receives, n.ReceivesBytes))
	}
	_ = tw.Flush() // the writer's error comes back with the next line
	fmt.Fprintln(out)
	for _, s := range change.Steps {
		fmt.Fprintf(out, "step %d: %s", s.Number, grow.Describe(s))
		if s.Moves > 0 {
			fmt.Fprintf(out, " (%.1f%% of a copy)", 100*s.Moves)
		}
		fmt.Fprintln(out)
	}
	if len(change.Steps) == 0 {
		fmt.Fprintln(out, "no node has a part in it")
	}
}

// amount is a share of a copy, and what that is in bytes where it is known: of what is on
// disk, for what the nodes have in memory is in no load.
func amount(share float64, bytes *int64) string {
	if share == 0 {
		return "-"
	}
	text := fmt.Sprintf("%.1f%%", 100*share)
	if bytes != nil {
		text += fmt.Sprintf(", %.1f MB by what is on disk", float64(*bytes)/1e6)
	}
	return text
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
