// Package yamlgen writes the files that one Cassandra node is configured by:
// cassandra.yaml, cassandra-rackdc.properties, the JVM's arguments, the log
// configuration and, for hosts that have systemd, a unit file. It is pure: the
// same inventory, node and environment give the same bytes, and nothing is
// read or written.
package yamlgen

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"text/template"

	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/templates"
)

// Names of the files, all in the node's Layout.Conf.
const (
	CassandraYAML = "cassandra.yaml"
	Rackdc        = "cassandra-rackdc.properties"
	JVMOptions    = "jvm.options" // an argument file for the java command
	UnitFile      = "cassandra.service"
	AgentConfig   = "jolokia.properties" // of the agent that the ring is read through
	AgentPolicy   = "jolokia-access.xml" // what it may be asked
	JMXPassword   = "jmx.password"
	JMXAccess     = "jmx.access"
	NodetoolMain  = "nodetool.main" // an argument file: nodetool's main class, and the password
	logback       = "logback.xml"
	log4j         = "log4j-server.properties"
)

// Env is what the files depend on besides the inventory: where the software is
// on the node's host, and what kind of start this is.
type Env struct {
	ClassPath    []string // jars, in order; without the configuration directory
	JammAgent    string   // path of the jamm jar; "" leaves the agent out
	JolokiaAgent string   // path of the Jolokia agent; "" leaves it out, and so does Ports.Jolokia 0
	// JMXSecret has JMX ask for the agent's password, too, where it is on for good.
	JMXSecret bool
	// AgentPassword is what the Jolokia agent asks for. It is needed where there is one.
	AgentPassword string
	CDSArchive    string   // class data archive made for this class path; "" is none
	JVM           []string // further JVM options, after ours: the last one wins
	// Fresh is a ring that is being made: no wait for gossip, short ring delay.
	Fresh  bool
	ProcID string // stands in the process's command line as -Dcrossring.process=; "" is none
	Java   string // java command in the unit file; "" is /usr/bin/java
	User   string // user in the unit file; "" is cassandra
	// StorePassword opens the JKS stores, where the plan has TLS and the release
	// reads no PEM. It stands in cassandra.yaml; what protects the key is the mode
	// of its store.
	StorePassword string
}

// File is one rendered file. Path is absolute.
type File struct {
	Path string
	Data []byte
	Mode fs.FileMode
}

// Render gives the files of one node, cassandra.yaml first. The unit file is
// among them where the provider is ec2 or hosts. A node or plan that lacks
// something the files need is an *IncompleteError.
func Render(inv topology.Inventory, node topology.Node, env Env) ([]File, error) {
	r, err := NewRenderer(inv)
	if err != nil {
		return nil, err
	}
	return r.Render(node, env)
}

// Renderer renders the files of many nodes of one inventory: what is the same for
// all of them is read once. It may be used by several goroutines.
type Renderer struct {
	inv   topology.Inventory
	rel   release.Release
	seeds []string
	files map[string]*template.Template
}

// NewRenderer makes one for the inventory, which must not change meanwhile.
func NewRenderer(inv topology.Inventory) (Renderer, error) {
	rel, err := release.Of(inv.Plan.Version)
	if err != nil {
		return Renderer{}, err
	}
	r := Renderer{inv: inv, rel: rel, seeds: inv.Seeds(), files: map[string]*template.Template{}}
	for _, name := range []string{rel.Template, Rackdc, JVMOptions, logFile(rel), UnitFile, AgentConfig, AgentPolicy} {
		if r.files[name], err = load(rel, name); err != nil {
			return Renderer{}, err
		}
	}
	return r, nil
}

// Render is the function of that name for one node of the renderer's inventory.
func (r Renderer) Render(node topology.Node, env Env) ([]File, error) {
	v, err := newValues(r.inv, node, env, r.rel, r.seeds)
	if err != nil {
		return nil, err
	}
	yaml, err := execute(r.files[r.rel.Template], v)
	if err != nil {
		return nil, err
	}
	plan := r.inv.Plan
	if yaml, err = override(yaml, plan.Settings, quoteFor(r.rel)); err != nil {
		return nil, fmt.Errorf("settings of %s: %w", plan.Name, err)
	}
	secret := secretMode(v, node)
	files := []File{{Path: v.ConfFile, Data: yaml, Mode: secret}}
	rest := []string{Rackdc, JVMOptions, logFile(r.rel)}
	if v.JolokiaAgent != "" {
		rest = append(rest, AgentConfig, AgentPolicy)
	}
	if !v.Local {
		rest = append(rest, UnitFile)
	}
	for _, name := range rest {
		data, err := execute(r.files[name], v)
		if err != nil {
			return nil, err
		}
		mode := fs.FileMode(0o644)
		if name == AgentConfig {
			mode = secret
		}
		files = append(files, File{Path: path.Join(node.Layout.Conf, name), Data: data, Mode: mode})
	}
	if env.JMXSecret {
		more, err := jmxFiles(r.rel, node, env.AgentPassword, secret)
		return append(files, more...), err
	}
	return files, nil
}

// jmxFiles are those by which JMX asks for a password, and nodetool knows it.
func jmxFiles(rel release.Release, node topology.Node, password string, mode fs.FileMode) ([]File, error) {
	var words strings.Builder
	for _, word := range []string{rel.Nodetool, "-u", release.AgentUser, "-pw", password} {
		quoted, err := quoteArg(word)
		if err != nil {
			return nil, err
		}
		words.WriteString(quoted + "\n")
	}
	var files []File
	for _, f := range []struct{ name, text string }{
		{JMXPassword, release.AgentUser + " " + password + "\n"}, {JMXAccess, release.AgentUser + " readwrite\n"}, {NodetoolMain, words.String()},
	} {
		files = append(files, File{Path: path.Join(node.Layout.Conf, f.name), Data: []byte(f.text), Mode: mode})
	}
	return files, nil
}

// AgentFiles are those that an agent is configured by which is put into a server that
// runs, the one with the password first.
func AgentFiles(inv topology.Inventory, node topology.Node, password string) ([]File, error) {
	r, err := NewRenderer(inv)
	if err != nil {
		return nil, err
	}
	v := values{Local: true, JolokiaHost: node.PrivateAddress, JolokiaPort: node.Ports.Jolokia}
	v.agent(r.rel, node, password)
	var files []File
	for _, name := range []string{AgentConfig, AgentPolicy} {
		data, err := execute(r.files[name], v)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: path.Join(node.Layout.Conf, name), Data: data, Mode: 0o600})
	}
	return files, nil
}

// secretMode is that of files with passwords in them. Where the server has a user of its
// own, the file is root's, and that user's group reads it; elsewhere it is the server's.
func secretMode(v values, node topology.Node) fs.FileMode {
	if !v.Local && (node.Host == nil || node.Host.Root == "") {
		return 0o640
	}
	return 0o600
}

// load reads one template.
func load(rel release.Release, name string) (*template.Template, error) {
	src, err := templates.FS.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return template.New(name).
		Delims(templates.Left, templates.Right).
		Option("missingkey=error").
		Funcs(template.FuncMap{"yq": quoteFor(rel), "aq": quoteArg, "pq": quoteProperty, "uq": quoteUnit, "ux": quoteExec, "up": escapeUnit, "xq": quoteXML, "agentArg": quoteAgent, "fileURL": fileURL}).
		Parse(trimActionLines(string(src)))
}

// execute renders one template. A line that holds nothing but actions, and
// gives nothing, leaves no blank line behind.
func execute(t *template.Template, v values) ([]byte, error) {
	var out bytes.Buffer
	if err := t.Execute(&out, v); err != nil {
		return nil, err
	}
	return oneBlankLine(out.Bytes()), nil
}

// oneBlankLine makes one of the blank lines, one after the other, that sections leave
// between them that have nothing to say. It works in place.
func oneBlankLine(text []byte) []byte {
	kept, newlines := text[:0], 0
	for _, c := range text {
		if c != '\n' {
			newlines = 0
		} else if newlines++; newlines > 2 {
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

type yamlQuote func(string) (string, error)

func quoteFor(rel release.Release) yamlQuote {
	return func(s string) (string, error) { return quoteYAML(s, rel.YAMLBasicPlane) }
}

// trimActionLines joins a line that is a control action alone to the next one,
// as the template language's own trim marker would, without eating blank lines.
func trimActionLines(src string) string {
	var b strings.Builder
	for line := range strings.Lines(src) {
		body := strings.TrimSuffix(line, "\n")
		if isControl(body) {
			line = body
		}
		b.WriteString(line)
	}
	return b.String()
}

func isControl(line string) bool {
	inner, ok := strings.CutPrefix(line, templates.Left)
	if !ok {
		return false
	}
	inner, ok = strings.CutSuffix(inner, templates.Right)
	if !ok || strings.Contains(inner, templates.Left) {
		return false
	}
	switch word, _, _ := strings.Cut(strings.TrimSpace(inner), " "); word {
	case "if", "else", "end", "range":
		return true
	}
	return false
}

func logFile(rel release.Release) string {
	if rel.Log == "log4j" {
		return log4j
	}
	return logback
}
