package preflight

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// nftText writes a rule about as nft does.
func nftText(r nftRule) string {
	var words []string
	for _, e := range r.Expr {
		for kind, raw := range e {
			var m map[string]any
			_ = json.Unmarshal(raw, &m) // null for accept and drop
			switch kind {
			case "match":
				op, _ := m["op"].(string)
				if op == "==" || op == "in" {
					op = ""
				}
				words = append(words, nftWords(m["left"]), op, nftWords(m["right"]))
			case "counter", "log", "comment":
			case "jump", "goto", "limit":
				words = append(words, kind, nftWords(m["target"]))
			default:
				words = append(words, kind)
			}
		}
	}
	words = slices.DeleteFunc(words, func(s string) bool { return s == "" })
	return fmt.Sprintf("%q in chain %s of table %s %s", strings.Join(words, " "), r.Chain, r.Family, r.Table)
}

func nftWords(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case float64:
		return fmt.Sprintf("%.0f", x)
	case []any:
		var parts []string
		for _, e := range x {
			parts = append(parts, nftWords(e))
		}
		return strings.Join(parts, ",")
	case map[string]any:
		if p, ok := x["payload"].(map[string]any); ok {
			return nftWords(p["protocol"]) + " " + nftWords(p["field"])
		}
		if p, ok := x["prefix"].(map[string]any); ok {
			return nftWords(p["addr"]) + "/" + nftWords(p["len"])
		}
		if b, ok := x["range"].([]any); ok && len(b) == 2 {
			return nftWords(b[0]) + "-" + nftWords(b[1])
		}
		if s, ok := x["set"].([]any); ok {
			return "{ " + nftWords(s) + " }"
		}
		for kind, inner := range x {
			if m, ok := inner.(map[string]any); ok {
				return kind + " " + nftWords(m["key"])
			}
		}
	}
	return "…"
}
