package ccm

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Install is a Cassandra installation, laid out around its jars as the official
// tarball is: bin, conf and lib. ccm copies bin and conf for each node and edits the
// copies. It starts nodes that know nothing of crossring, too, on defaults.
type Install struct {
	Version   string   // full, x.y.z
	Java      string   // the java command
	Main      string   // main class of the server
	Nodetool  string   // main class of nodetool
	ClassPath []string // jars; linked to, not copied
	Jamm      string   // the agent's jar; "" is none
	// JVM are options of every server; Tools those of nodetool.
	JVM, Tools []string
	// Secrets are further files of the configuration, by name, that nobody else may read:
	// JMX, which ccm's nodes have on for good, asks for a password.
	Secrets map[string][]byte
	YAML    []byte // cassandra.yaml
	Log     []byte // configuration of the log, and
	LogFile string // its name
}

//go:embed files
var files embed.FS

// Write lays the installation out in dir, which it makes.
func (i Install) Write(dir string) error {
	for _, d := range []string{"bin", "conf", "lib"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return fmt.Errorf("lay out Cassandra %s: %w", i.Version, err)
		}
	}
	for _, jar := range i.ClassPath {
		if err := os.Symlink(jar, filepath.Join(dir, "lib", filepath.Base(jar))); err != nil {
			return fmt.Errorf("lay out Cassandra %s: %w", i.Version, err)
		}
	}
	env, err := files.ReadFile("files/cassandra-env.sh")
	if err != nil {
		return err
	}
	server := append([]string{}, i.JVM...)
	if i.Jamm != "" {
		server = append(server, "-javaagent:"+i.Jamm)
	}
	texts := map[string][]byte{
		"0.version.txt": []byte(i.Version + "\n"),
		// Each variable is alone on its line: ccm replaces the first two lines whole.
		"bin/cassandra.in.sh": []byte(strings.Join([]string{
			"# Where this installation is, and what its programs are called.",
			"CASSANDRA_HOME=" + dir,
			"CASSANDRA_CONF=" + filepath.Join(dir, "conf"),
			"JAVA=" + i.Java,
			"CASSANDRA_MAIN=" + i.Main,
			"CASSANDRA_NODETOOL=" + i.Nodetool,
		}, "\n") + "\n"),
		"conf/cassandra.yaml":     i.YAML,
		"conf/cassandra-env.sh":   env,
		"conf/jvm-server.options": arguments(server),
		"conf/nodetool.options":   arguments(i.Tools),
		"conf/" + i.LogFile:       i.Log,
	}
	modes := map[string]os.FileMode{"conf/cassandra.yaml": 0o600}
	for from, to := range map[string]string{"cassandra": "bin/cassandra", "nodetool": "bin/nodetool", "logback-tools.xml": "conf/logback-tools.xml"} {
		if texts[to], err = files.ReadFile("files/" + from); err != nil {
			return err
		}
		if strings.HasPrefix(to, "bin/") {
			modes[to] = 0o755
		}
	}
	for name, text := range i.Secrets {
		texts["conf/"+name], modes["conf/"+name] = text, 0o600
	}
	for name, text := range texts {
		mode := modes[name]
		if mode == 0 {
			mode = 0o644
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), text, mode); err != nil {
			return fmt.Errorf("lay out Cassandra %s: %w", i.Version, err)
		}
	}
	return nil
}

// arguments are options as the java command reads them from a file. Options have no
// quotes and no backslashes in them: paths have been looked at before.
func arguments(options []string) []byte {
	var b strings.Builder
	for _, o := range options {
		b.WriteString(`"` + o + "\"\n")
	}
	return []byte(b.String())
}
