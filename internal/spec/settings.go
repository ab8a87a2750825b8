package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"crossring/internal/release"
	"crossring/internal/settings"
)

// managed are the keys of cassandra.yaml that follow from the spec, and the key of
// the spec that says them; "" where the plan decides.
var managed = map[string]string{
	"cluster_name":                 "cluster_name",
	"num_tokens":                   "num_tokens",
	"initial_token":                "",
	"allocate_tokens_for_keyspace": "",
	"allocate_tokens_for_local_replication_factor": "",
	"auto_bootstrap":                   "",
	"partitioner":                      "partitioner",
	"data_file_directories":            "disks.data",
	"commitlog_directory":              "disks.commitlog",
	"saved_caches_directory":           "disks.saved_caches",
	"hints_directory":                  "",
	"cdc_raw_directory":                "",
	"seed_provider":                    "",
	"listen_address":                   "",
	"listen_interface":                 "",
	"broadcast_address":                "",
	"rpc_address":                      "",
	"rpc_interface":                    "",
	"broadcast_rpc_address":            "",
	"endpoint_snitch":                  "",
	"storage_port":                     "",
	"ssl_storage_port":                 "",
	"native_transport_port":            "",
	"native_transport_port_ssl":        "",
	"local_system_data_file_directory": "",
	"listen_on_broadcast_address":      "",
	"rpc_port":                         "",
	"start_native_transport":           "",
	"jmx_server_options":               "",
	"jmx_encryption_options":           "",
}

// open are the keys of cassandra.yaml whose classes ask a client, or a node, who it is or
// what it may do, and the class of each that asks nothing: crossring has a certificate to
// show, and no name or password.
var open = map[string]string{
	"authenticator":           "AllowAllAuthenticator",
	"authorizer":              "AllowAllAuthorizer",
	"network_authorizer":      "AllowAllNetworkAuthorizer",
	"cidr_authorizer":         "AllowAllCIDRAuthorizer",
	"internode_authenticator": "AllowAllInternodeAuthenticator",
}

const (
	minFrame       = 1 << 20 // bytes that the answers of the system tables may take
	minConnections = 64      // what crossring and the load may have open to a node
)

// checkSettings refuses the keys that follow from the spec, what would shut crossring itself out
// of the servers, and what a server of the release would not start with.
func checkSettings(s Spec, rel release.Release, bad func(path, format string, args ...any)) {
	said := map[string]bool{} // the keys that something is wrong with already
	say := bad
	bad = func(path, format string, args ...any) {
		said[strings.TrimPrefix(path, "settings.")] = true
		say(path, format, args...)
	}
	for _, key := range slices.Sorted(maps.Keys(s.Settings)) {
		path, value := "settings."+key, s.Settings[key]
		switch instead, ok := managed[key]; {
		case ok && instead == "":
			bad(path, "follows from the plan and cannot be set")
			continue
		case ok:
			bad(path, "belongs in %s", instead)
			continue
		}
		switch key {
		case "client_encryption_options", "server_encryption_options", "encryption_options":
			bad(path, "belongs in tls: with the block tls: {} both sides speak TLS, with certificates that crossring makes and has itself; tls: {internode: false} or {client: false} leaves one plain")
		case "native_transport_allow_older_protocols":
			if value != true && value != nil {
				bad(path, "must be true: crossring speaks the protocol that every node of a series has")
			}
		case "native_transport_max_negotiable_protocol_version":
			if n, ok := value.(int64); ok && n > 0 && n < int64(rel.Proto) {
				bad(path, "must be at least %d, the protocol that crossring speaks with cassandra %s", rel.Proto, rel.Version)
			}
		case "native_transport_max_concurrent_connections", "native_transport_max_concurrent_connections_per_ip":
			if n, ok := value.(int64); ok && n >= 0 && n < minConnections {
				bad(path, "must be -1 or at least %d: crossring and its load open as many", minConnections)
			}
		case "native_transport_max_frame_size", "native_transport_max_frame_size_in_mb":
			unit := int64(0)
			if strings.HasSuffix(key, "_in_mb") {
				unit = 1 << 20
			}
			if n, ok := bytesOf(value, unit); ok && n < minFrame {
				bad(path, "must be at least 1 MiB: crossring's own questions have to fit")
			}
		}
		if class, ok := open[key]; ok && !openToAll(value, class) {
			if key == "authenticator" {
				bad(path, "crossring has no password to show: with tls: {} nobody comes in without a certificate")
			} else {
				bad(path, "must be %s, or left out: it would ask crossring who it is, and with tls: {} nobody comes in without a certificate", class)
			}
		}
		if !settingPattern.MatchString(key) {
			bad(path, "%q is not a key of cassandra.yaml", key)
		}
	}
	for _, p := range settings.Check(rel.Version, s.Settings) {
		if said[p.Path[0]] {
			continue
		}
		near := ""
		if p.Unknown && len(p.Path) == 1 {
			near = didYouMean(p.Path[0], settings.Keys(rel.Version))
		}
		say("settings."+strings.Join(p.Path, "."), "%s%s", p.Text, near)
	}
}

// openToAll says whether a setting is the class that asks nothing.
func openToAll(v any, class string) bool {
	if block, ok := v.(map[string]any); ok { // as 5.0 has it too
		v = block["class_name"]
	}
	name, ok := v.(string)
	return v == nil || ok && name[strings.LastIndexByte(name, '.')+1:] == class
}

// checkLetters refuses, wherever the spec's own words get into a node's files, what the
// release can't read there.
func checkLetters(s Spec, rel release.Release, bad func(path, format string, args ...any)) {
	if rel.PlainClusterName && strings.ContainsRune(s.ClusterName, '\'') {
		bad("cluster_name", "%q has a single quote in it, and cassandra %s does not start with that", s.ClusterName, rel.Version)
	}
	if !rel.YAMLBasicPlane {
		return
	}
	check := func(path, text string) {
		if i := strings.IndexFunc(text, beyondBasicPlane); i >= 0 {
			bad(path, "%q has %q in it, and cassandra %s reads characters up to U+FFFF only", text, []rune(text[i:])[0], rel.Version)
		}
	}
	check("cluster_name", s.ClusterName)
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case string:
			check(path, v)
		case []any:
			for i, item := range v {
				walk(indexed(path, i), item)
			}
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				at := fmt.Sprintf("%s.%s", path, key)
				check(at, key)
				walk(at, v[key])
			}
		}
	}
	walk("settings", any(s.Settings))
}

func beyondBasicPlane(r rune) bool { return r > 0xffff }

// unprintable says of a character that it would not be seen, or do something, in a text.
func unprintable(r rune) bool { return !unicode.IsPrint(r) }
