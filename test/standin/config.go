package main

import (
	"bufio"
	"crossring/internal/topology"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// readOptions reads a file of java's arguments: words, quoted ones with escapes, and
// comments.
func readOptions(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var words []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '"' {
			if line, err = strconv.Unquote(line); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
		words = append(words, line)
	}
	return words, nil
}

var escaped = regexp.MustCompile(`\\(.)`)

// configured is the node that the files tell of.
func configured(options []string) (*node, error) {
	n := &node{tables: nil, version: os.Getenv("STANDIN_VERSION")}
	property := func(name string) string {
		for _, o := range options {
			if v, ok := strings.CutPrefix(o, "-D"+name+"="); ok {
				return v
			}
		}
		return ""
	}
	at, err := url.Parse(property("cassandra.config"))
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(at.Path)
	if err != nil {
		return nil, err
	}
	var c struct {
		Cluster     string   `yaml:"cluster_name"`
		Partitioner string   `yaml:"partitioner"`
		Listen      string   `yaml:"listen_address"`
		Broadcast   string   `yaml:"broadcast_address"`
		Storage     int      `yaml:"storage_port"`
		Native      int      `yaml:"native_transport_port"`
		Token       string   `yaml:"initial_token"`
		Data        []string `yaml:"data_file_directories"`
		Seeds       []struct {
			Parameters []struct {
				Seeds string `yaml:"seeds"`
			} `yaml:"parameters"`
		} `yaml:"seed_provider"`
	}
	if err := yaml.Unmarshal(data, &c); err != nil {
		return nil, err
	}
	n.cluster, n.partitioner, n.private, n.public = c.Cluster, c.Partitioner, c.Listen, c.Broadcast
	n.storage, n.native, n.data = c.Storage, c.Native, c.Data[0]
	for _, t := range strings.Split(c.Token, ",") {
		n.tokens = append(n.tokens, strings.TrimSpace(t))
	}
	n.seeds = strings.Split(c.Seeds[0].Parameters[0].Seeds, ",")
	for _, o := range options {
		_, agent, ok := strings.Cut(o, "jolokia")
		if _, file, has := strings.Cut(agent, "config="); ok && has {
			// The agent's own escapes: "\=" is an equals sign that parts nothing.
			if err := n.readAgent(escaped.ReplaceAllString(file, "$1")); err != nil {
				return nil, err
			}
		}
	}
	if n.agentPort == 0 {
		return nil, fmt.Errorf("no agent among the arguments")
	}
	n.logFile = filepath.Join(property("cassandra.logdir"), "system.log")
	// The version is that of the jars on the class path.
	for i, o := range options {
		if o == "-cp" && i+1 < len(options) && n.version == "" {
			if _, rest, ok := strings.Cut(options[i+1], "cassandra-all-"); ok {
				n.version, _, _ = strings.Cut(rest, ".jar")
			}
		}
	}
	proxy := &url.URL{Scheme: "http", Host: net.JoinHostPort(property("http.proxyHost"), property("http.proxyPort"))}
	metadata = &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	sum := fnv.New128a()
	_, _ = io.WriteString(sum, n.public)
	h := hex.EncodeToString(sum.Sum(nil))
	n.id = h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	return n, nil
}

// metadata asks the instance metadata, by the node's own proxy.
var metadata *http.Client

// readAgent reads the agent's configuration.
func (n *node) readAgent(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, _ := strings.Cut(strings.TrimSpace(s.Text()), "=")
		switch name {
		case "host":
			n.agentHost = value
		case "port":
			n.agentPort, err = strconv.Atoi(value)
		case "user":
			n.user = value
		case "password":
			n.password = value
		}
	}
	return err
}

// locate asks for the zone, and makes datacenter and rack of it as the snitch does.
func (n *node) locate() error {
	resp, err := metadata.Get("http://169.254.169.254/latest/meta-data/placement/availability-zone")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	zone, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	n.datacenter, n.rack = topology.EC2Names("legacy", strings.TrimSpace(string(zone)))
	return nil
}
