package main

import (
	"encoding/json"
	"net/http"
	"strings"

	"crossring/internal/release"
)

// call is one request of a bulk to the agent.
type call struct {
	Type, MBean, Operation string
	Attribute              any
	Arguments              []any
}

// agent answers as the Jolokia agent does, to who has its password.
func (n *node) agent() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if n.password != "" && (user != n.user || password != n.password) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method != http.MethodPost || r.Header.Get("Origin") != release.AgentOrigin {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var calls []call
		if err := json.NewDecoder(r.Body).Decode(&calls); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var replies []map[string]any
		for _, c := range calls {
			replies = append(replies, n.answer(c))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(replies) // who asked may have gone
	})
}

func value(v any) map[string]any { return map[string]any{"status": 200, "value": v} }

func refused(what string) map[string]any {
	return map[string]any{"status": 404, "error_type": "standin", "error": "standin : " + what}
}

func (n *node) answer(c call) map[string]any {
	if c.Type == "exec" {
		return n.operate(c)
	}
	attributes := n.attributes()
	switch asked := c.Attribute.(type) {
	case string:
		if v, ok := attributes[asked]; ok {
			return value(v)
		}
		return refused("no attribute " + asked)
	case []any:
		all := map[string]any{}
		for _, a := range asked {
			name, _ := a.(string)
			if v, ok := attributes[name]; ok {
				all[name] = v
			} else {
				all[name] = "ERROR: no attribute " + name
			}
		}
		return value(all)
	}
	return refused("no attributes asked for")
}

func (n *node) operate(c call) map[string]any {
	name, _, _ := strings.Cut(c.Operation, "(")
	argument := ""
	if len(c.Arguments) > 0 {
		argument, _ = c.Arguments[0].(string)
	}
	argument = argument[strings.LastIndex(argument, "/")+1:]
	switch name {
	case "getDatacenter", "getRack":
		for _, w := range n.gossip.words() {
			if w.Public == argument && name == "getRack" {
				return value(w.Rack)
			} else if w.Public == argument {
				return value(w.Datacenter)
			}
		}
		return refused("no endpoint " + argument)
	case "effectiveOwnership", "effectiveOwnershipWithPort":
		shares, err := n.owns(argument)
		if err != nil {
			return refused(err.Error())
		}
		return value(shares)
	case "forceTableFlush", "forceKeyspaceFlush":
		return value(nil)
	case "estimateKeys":
		return value(n.tables.rows())
	}
	return refused("no operation " + name)
}

// attributes are those of all MBeans at once: no two that are asked for share a name.
func (n *node) attributes() map[string]any {
	live, down := []string{}, []string{}
	tokens, ids, loads, owns := map[string]string{}, map[string]string{}, map[string]string{}, map[string]float64{}
	alive := n.gossip.live()
	words := n.gossip.words()
	for _, w := range words {
		key := "/" + w.Public
		if alive[w.Public] {
			live = append(live, key)
		} else {
			down = append(down, key)
		}
		for _, t := range w.Tokens {
			tokens[t] = key
		}
		ids[key], loads[key], owns[key] = w.ID, "1 KB", 1/float64(len(words))
	}
	return map[string]any{
		"ClusterName": n.cluster, "PartitionerName": n.partitioner, "ReleaseVersion": n.version, "SchemaVersion": n.tables.schema(),
		"OperationMode": "NORMAL", "LocalHostId": n.id, "TokenToEndpointMap": tokens, "LiveNodes": live, "UnreachableNodes": down,
		"JoiningNodes": []string{}, "LeavingNodes": []string{}, "MovingNodes": []string{}, "HostIdMap": ids, "EndpointToHostId": ids,
		"LoadMap": loads, "Ownership": owns, "Load": 1024, "Count": 1024, "Value": n.tables.rows(), "EstimatedPartitionCount": n.tables.rows(),
	}
}
