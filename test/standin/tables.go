package main

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// statement is one of the few that are understood.
type statement struct {
	verb            string // SELECT, INSERT, USE, CREATE KEYSPACE, CREATE TABLE
	keyspace, table string
	columns         []string // of a SELECT; none is all
	bound           []column
	options         map[string]string // of a keyspace
	key             string            // literal of a WHERE; "" is bound
}

var (
	reUse      = regexp.MustCompile(`(?is)^\s*USE\s+"?([\w]+)"?\s*;?\s*$`)
	reKeyspace = regexp.MustCompile(`(?is)^\s*CREATE\s+KEYSPACE\s+"?(\w+)"?\s+WITH\s+replication\s*=\s*\{(.*?)\}`)
	reTable    = regexp.MustCompile(`(?is)^\s*CREATE\s+TABLE\s+(?:"?(\w+)"?\.)?"?(\w+)"?\s*\(`)
	reInsert   = regexp.MustCompile(`(?is)^\s*INSERT\s+INTO\s+(?:"?(\w+)"?\.)?"?(\w+)"?\s*\(\s*key\s*,\s*value\s*\)\s*VALUES\s*\(\s*\?\s*,\s*\?\s*\)`)
	reSelect   = regexp.MustCompile(`(?is)^\s*SELECT\s+(.*?)\s+FROM\s+(?:"?(\w+)"?\.)?"?(\w+)"?(?:\s+WHERE\s+(\w+)\s*=\s*(\?|'[^']*'|-?\d+))?`)
	rePair     = regexp.MustCompile(`'([^']*)'\s*:\s*'([^']*)'`)
)

func parse(text, keyspace string) (statement, error) {
	in := func(named string) string {
		if named == "" {
			return keyspace
		}
		return named
	}
	if m := reUse.FindStringSubmatch(text); m != nil {
		return statement{verb: "USE", keyspace: m[1]}, nil
	}
	if m := reKeyspace.FindStringSubmatch(text); m != nil {
		s := statement{verb: "CREATE KEYSPACE", keyspace: m[1], options: map[string]string{}}
		for _, p := range rePair.FindAllStringSubmatch(m[2], -1) {
			s.options[p[1]] = p[2]
		}
		return s, nil
	}
	if m := reTable.FindStringSubmatch(text); m != nil {
		return statement{verb: "CREATE TABLE", keyspace: in(m[1]), table: m[2]}, nil
	}
	if m := reInsert.FindStringSubmatch(text); m != nil {
		return statement{verb: "INSERT", keyspace: in(m[1]), table: m[2], bound: []column{{"key", typeBigint}, {"value", typeBlob}}}, nil
	}
	if m := reSelect.FindStringSubmatch(text); m != nil {
		s := statement{verb: "SELECT", keyspace: in(m[2]), table: m[3]}
		if m[1] != "*" {
			for _, c := range strings.Split(m[1], ",") {
				s.columns = append(s.columns, strings.TrimSpace(c))
			}
		}
		if m[4] != "" && m[5] == "?" {
			s.bound = []column{{m[4], kindOf(m[4])}}
		}
		s.key = strings.Trim(m[5], "'?")
		return s, nil
	}
	return statement{}, &failure{code: codeInvalid, message: "not understood here: " + text}
}

// kindOf is the type of a column by its name.
func kindOf(name string) int {
	switch name {
	case "key":
		return typeBigint
	case "value":
		return typeBlob
	case "host_id", "schema_version":
		return typeUUID
	case "peer", "broadcast_address", "listen_address", "rpc_address", "preferred_ip":
		return typeInet
	case "tokens":
		return typeSet
	case "replication":
		return typeMap
	}
	return typeVarchar
}

// put is a row that was written, as it is told to the other nodes.
type put struct {
	Table string
	Key   int64
	Value []byte
}

// tables holds the schema, which all nodes share, and rows.
type tables struct {
	n       *node
	mu      sync.Mutex
	options map[string]map[string]string // by keyspace
	names   map[string]bool              // of tables
	row     map[string][]byte            // by table and key
	log     []put                        // written here, for the others
}

func newTables(n *node) *tables {
	return &tables{n: n, options: map[string]map[string]string{}, names: map[string]bool{}, row: map[string][]byte{}}
}

func rowKey(table string, key int64) string { return table + " " + strconv.FormatInt(key, 10) }

func (t *tables) rows() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.row)
}

// shape is the schema as it is told to the other nodes.
type shape struct {
	Options map[string]map[string]string
	Names   []string
}

func (t *tables) shape() shape {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := shape{Options: map[string]map[string]string{}}
	for k, v := range t.options {
		s.Options[k] = v
	}
	for name := range t.names {
		s.Names = append(s.Names, name)
	}
	sort.Strings(s.Names)
	return s
}

// schema is the version of the schema: the same where the schema is.
func (t *tables) schema() string {
	data, err := json.Marshal(t.shape())
	if err != nil {
		panic(err) // of maps and strings
	}
	h := hex.EncodeToString(func() []byte { s := md5.Sum(data); return s[:] }())
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// merge takes what another node has told.
func (t *tables) merge(s shape, puts []put) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, v := range s.Options {
		t.options[k] = v
	}
	for _, name := range s.Names {
		t.names[name] = true
	}
	for _, p := range puts {
		t.row[rowKey(p.Table, p.Key)] = p.Value
	}
}

// since are the writes that were made here from the one of a number on, at most some.
func (t *tables) since(i int) []put {
	const most = 200
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.log[i:min(len(t.log), i+most)])
}

func (t *tables) change(s statement, values [][]byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch s.verb {
	case "CREATE KEYSPACE":
		if t.options[s.keyspace] != nil {
			return &failure{code: codeAlreadyExists, message: "keyspace exists", keyspace: s.keyspace}
		}
		t.options[s.keyspace] = s.options
	case "CREATE TABLE":
		name := s.keyspace + "." + s.table
		if t.names[name] {
			return &failure{code: codeAlreadyExists, message: "table exists", keyspace: s.keyspace, name: s.table}
		}
		t.names[name] = true
	case "INSERT":
		if len(values) != 2 || len(values[0]) != 8 {
			return &failure{code: codeInvalid, message: "an insert is of a key and a value"}
		}
		p := put{s.keyspace + "." + s.table, int64(binary.BigEndian.Uint64(values[0])), slices.Clone(values[1])}
		t.row[rowKey(p.Table, p.Key)] = p.Value
		t.log = append(t.log, p)
	default:
		return &failure{code: codeInvalid, message: s.verb + " is not understood here"}
	}
	return nil
}

// system are the rows of the tables that tell of the cluster.
func (n *node) system(s statement) ([]map[string][]byte, bool) {
	switch s.keyspace + "." + s.table {
	case "system.local", "system.peers", "system.peers_v2":
	case "system_schema.keyspaces", "system.schema_keyspaces":
		var rows []map[string][]byte
		for name, options := range n.tables.shape().Options {
			rest := map[string]string{}
			for k, v := range options {
				if k != "class" {
					rest[k] = v
				}
			}
			text, err := json.Marshal(rest)
			if err != nil {
				panic(err) // of strings
			}
			rows = append(rows, map[string][]byte{"keyspace_name": []byte(name), "strategy_class": []byte(options["class"]), "strategy_options": text, "replication": textMap(options)})
		}
		return rows, true
	default:
		return nil, false
	}
	var rows []map[string][]byte
	for _, w := range n.gossip.words() {
		if (w.Public == n.public) != (s.table == "local") {
			continue
		}
		rows = append(rows, map[string][]byte{
			"key": []byte("local"), "cluster_name": []byte(n.cluster), "partitioner": []byte(n.partitioner), "data_center": []byte(w.Datacenter), "rack": []byte(w.Rack),
			"host_id": uuid(w.ID), "schema_version": uuid(n.tables.schema()), "release_version": []byte(n.version), "peer": inet(w.Public),
			"broadcast_address": inet(w.Public), "rpc_address": inet(w.Public), "listen_address": inet(n.private), "tokens": nil,
		})
	}
	return rows, true
}

// columns are those that a statement answers with.
func (n *node) columns(s statement) []column {
	if s.verb != "SELECT" {
		return nil
	}
	names := s.columns
	if len(names) == 0 {
		rows, _ := n.system(s)
		names = []string{"key", "value"}
		if len(rows) > 0 {
			names = slices.Collect(maps.Keys(rows[0]))
		}
		sort.Strings(names)
	}
	var all []column
	for _, name := range names {
		kind := kindOf(name)
		if name == "key" && strings.HasPrefix(s.keyspace, "system") {
			kind = typeVarchar
		}
		all = append(all, column{name, kind})
	}
	return all
}

func (n *node) rowsOf(s statement, values [][]byte) ([][][]byte, error) {
	columns := n.columns(s)
	rows, ours := n.system(s)
	if ours {
		var out [][][]byte
		for _, row := range rows {
			if len(values) == 1 && len(s.bound) == 1 && string(row[s.bound[0].name]) != string(values[0]) {
				continue
			}
			var cells [][]byte
			for _, c := range columns {
				cells = append(cells, row[c.name])
			}
			out = append(out, cells)
		}
		return out, nil
	}
	if len(values) != 1 || len(values[0]) != 8 {
		return nil, &failure{code: codeInvalid, message: "rows are read by their key"}
	}
	key := int64(binary.BigEndian.Uint64(values[0]))
	n.tables.mu.Lock()
	v, ok := n.tables.row[rowKey(s.keyspace+"."+s.table, key)]
	n.tables.mu.Unlock()
	if !ok {
		return nil, nil
	}
	var cells [][]byte
	for _, c := range columns {
		if c.name == "key" {
			cells = append(cells, values[0])
		} else {
			cells = append(cells, v)
		}
	}
	return [][][]byte{cells}, nil
}

// owns is the share of each node of a keyspace: with as many replicas in a datacenter as
// it has nodes each has all. Other rings are not for a stand-in.
func (n *node) owns(keyspace string) (map[string]float64, error) {
	options, ok := n.tables.shape().Options[keyspace]
	if !ok {
		return nil, fmt.Errorf("no keyspace %s", keyspace)
	}
	count := map[string]int{}
	for _, w := range n.gossip.words() {
		count[w.Datacenter]++
	}
	shares := map[string]float64{}
	for _, w := range n.gossip.words() {
		replicas, err := strconv.Atoi(options[w.Datacenter])
		if err != nil {
			replicas = 0
		}
		shares["/"+w.Public] = min(1, float64(replicas)/float64(count[w.Datacenter]))
	}
	return shares, nil
}

func inet(address string) []byte {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return nil
	}
	return a.AsSlice()
}

func uuid(text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil {
		return nil
	}
	return b
}

// textMap is a map of texts as version 3 of the protocol and later have it.
func textMap(m map[string]string) []byte {
	w := &writer{}
	w.int32(len(m))
	for k, v := range m {
		w.bytes([]byte(k))
		w.bytes([]byte(v))
	}
	return w.b
}
