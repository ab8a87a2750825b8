// Package replaytest plays what real nodes answered, multiplied: the recorded answer of
// one node of two becomes that of each node of a ring of any size. It is for tests.
package replaytest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Node is one of the ring.
type Node struct {
	Address, Datacenter, Rack string // broadcast address
	Tokens                    []string
}

// Ring answers for its nodes in the form of a recorded answer to the bulk request of
// ringcheck.
type Ring struct {
	nodes     []Node
	place     map[string]Node
	ids       []string
	storage   []byte // attributes of StorageService but for LocalHostId, as an object
	template  recorded
	load      []byte // whole replies
	ownership []byte
}

type recorded struct {
	Request json.RawMessage `json:"request"`
	Value   json.RawMessage `json:"value"`
	Status  int             `json:"status"`
	Time    json.RawMessage `json:"timestamp"`
}

// New multiplies a recorded answer: every list or map of the two nodes becomes one of
// all nodes, in the same form of addresses; all else stays.
func New(answer []byte, nodes []Node) (*Ring, error) {
	var replies []recorded
	if err := json.Unmarshal(answer, &replies); err != nil || len(replies) < 4 {
		return nil, fmt.Errorf("reading a recorded answer: %d replies, %w", len(replies), err)
	}
	r := &Ring{nodes: nodes, place: map[string]Node{}, template: replies[2]}
	var attributes map[string]json.RawMessage
	if err := json.Unmarshal(replies[0].Value, &attributes); err != nil {
		return nil, fmt.Errorf("reading the recorded StorageService: %w", err)
	}
	for i, n := range nodes {
		r.place[n.Address] = n
		r.ids = append(r.ids, fmt.Sprintf("17b37348-b714-4f8f-9f7c-%012x", i))
	}
	delete(attributes, "LocalHostId")
	for name, was := range attributes {
		many, err := r.many(name, was)
		if err != nil {
			return nil, fmt.Errorf("multiplying %s: %w", name, err)
		}
		attributes[name] = many
	}
	var err error
	if r.storage, err = json.Marshal(attributes); err != nil {
		return nil, err
	}
	if r.load, err = json.Marshal(replies[1]); err != nil {
		return nil, err
	}
	last := replies[len(replies)-1]
	if last.Value, err = r.each(last.Value, func(int) any { return 1 / float64(len(nodes)) }); err != nil {
		return nil, fmt.Errorf("multiplying the ownership: %w", err)
	}
	r.ownership, err = json.Marshal(last)
	return r, err
}

// many is a recorded attribute as it is in the large ring.
func (r *Ring) many(name string, was json.RawMessage) (json.RawMessage, error) {
	switch name {
	case "LiveNodes":
		var all []string
		for _, n := range r.nodes {
			all = append(all, n.Address)
		}
		return json.Marshal(all)
	case "TokenToEndpointMap":
		all := map[string]string{}
		for _, n := range r.nodes {
			for _, t := range n.Tokens {
				all[t] = n.Address
			}
		}
		return json.Marshal(all)
	case "Ownership":
		return r.each(was, func(int) any { return 1 / float64(len(r.nodes)) })
	case "EndpointToHostId", "HostIdMap":
		return r.each(was, func(i int) any { return r.ids[i] })
	case "LoadMap":
		var loads map[string]string
		if err := json.Unmarshal(was, &loads); err != nil {
			return nil, err
		}
		var one string
		for _, l := range loads {
			one = l
		}
		return r.each(was, func(int) any { return one })
	}
	return was, nil
}

// each is a map by address, whose keys have the form of a recorded one's.
func (r *Ring) each(was json.RawMessage, value func(i int) any) (json.RawMessage, error) {
	var two map[string]any
	if err := json.Unmarshal(was, &two); err != nil {
		return nil, err
	}
	before := ""
	for key := range two {
		if strings.HasPrefix(key, "/") {
			before = "/"
		}
	}
	all := map[string]any{}
	for i, n := range r.nodes {
		all[before+n.Address] = value(i)
	}
	return json.Marshal(all)
}

// Of answers as the agent of a node does. Seen, where it is not nil, is told of each
// request how many calls it makes.
func (r *Ring) Of(i int, seen func(calls int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var calls []json.RawMessage
		if err := json.NewDecoder(req.Body).Decode(&calls); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if seen != nil {
			seen(len(calls))
		}
		to, before := bufio.NewWriter(w), "["
		for _, raw := range calls {
			to.WriteString(before)
			before = ","
			r.reply(to, raw, i)
		}
		to.WriteString("]")
		_ = to.Flush() // who asked has gone
	})
}

// reply writes the recorded reply to such a call, about the node that is asked about.
func (r *Ring) reply(to *bufio.Writer, raw json.RawMessage, i int) {
	var c struct {
		Type, Operation string
		Attribute       any
		Arguments       []string
	}
	_ = json.Unmarshal(raw, &c) // an ownership of something else has other arguments
	op, _, _ := strings.Cut(c.Operation, "(")
	_, one := c.Attribute.(string)
	var value string
	switch {
	case c.Type == "read" && one:
		to.Write(r.load)
		return
	case c.Type == "read":
		fmt.Fprintf(to, `{"request":%s,"value":{"LocalHostId":%q,`, raw, r.ids[i])
		to.Write(r.storage[1:])
		fmt.Fprintf(to, `,"status":%d,"timestamp":%s}`, r.template.Status, r.template.Time)
		return
	case op == "getDatacenter":
		value = r.place[c.Arguments[0]].Datacenter
	case op == "getRack":
		value = r.place[c.Arguments[0]].Rack
	default:
		to.Write(r.ownership)
		return
	}
	fmt.Fprintf(to, `{"request":%s,"value":%q,"status":%d,"timestamp":%s}`, raw, value, r.template.Status, r.template.Time)
}
