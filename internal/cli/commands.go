package cli

import "github.com/urfave/cli/v2"

// commands is the command tree, in the order of the help.
func (e *env) commands() []*cli.Command {
	var all []*cli.Command
	all = append(all, e.demoCommand(), e.planCommand(), e.renderCommand(), e.upCommand(), e.downCommand())
	all = append(all, e.nodeCommands()...)
	all = append(all, e.ringCommands()...)
	return append(all,
		e.reproCommand(),
		e.lagCommand(),
		e.stressCommand(),
		e.reportCommand(),
		e.listCommand(),
		e.extendCommand(),
		e.gcCommand(),
		e.logsCommand(),
		e.cqlCommand(),
		e.nodetoolCommand(),
		e.sshCommand(),
		e.execCommand(),
		e.preflightCommand(),
		e.tunnelCommand(),
		e.pkiCommand(),
		e.handshakeCommand(),
		e.faultCommand(),
		e.tokensCommand(),
		e.versionCommand(),
		e.helpCommand(),
		e.loaderCommand(),
		e.probeCommand(),
		e.tunnelKeeperCommand(),
	)
}
