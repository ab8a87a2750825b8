package cli

import (
	"crossring/internal/cli/app"
	"crossring/internal/cli/clustercli"
	"crossring/internal/cli/loadcli"
	"crossring/internal/cli/pkicli"
	"crossring/internal/cli/startcli"

	"github.com/urfave/cli/v2"
)

// commands is the command tree, in the order of the help.
func commands(e *app.Env) []*cli.Command {
	var all []*cli.Command
	all = append(all, loadcli.Demo(e), clustercli.Plan(e), clustercli.Render(e), clustercli.Up(e), clustercli.Down(e), clustercli.Attach(e), clustercli.Detach(e))
	all = append(all, clustercli.Nodes(e)...)
	all = append(all, clustercli.Rings(e)...)
	return append(all,
		loadcli.Repro(e),
		loadcli.Lag(e),
		loadcli.Latency(e),
		loadcli.Stress(e),
		loadcli.Verify(e),
		loadcli.Report(e),
		loadcli.Runs(e),
		loadcli.Compare(e),
		loadcli.Export(e),
		clustercli.List(e),
		clustercli.Extend(e),
		clustercli.GC(e),
		clustercli.Logs(e),
		clustercli.CQL(e),
		clustercli.Nodetool(e),
		clustercli.SSH(e),
		clustercli.Exec(e),
		clustercli.Preflight(e),
		clustercli.Tunnel(e),
		pkicli.PKI(e),
		pkicli.Handshake(e),
		clustercli.Fault(e),
		tokensCommand(e),
		startcli.Init(e),
		startcli.Doctor(e),
		startcli.Releases(e),
		startcli.Completion(e),
		startcli.Man(e),
		schemaCommand(e),
		app.VersionCommand(e),
		app.HelpCommand(e),
		loadcli.Loader(e),
		clustercli.Probe(e),
		clustercli.TunnelKeeper(e),
	)
}
