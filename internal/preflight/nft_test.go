package preflight

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
)

// Of several base chains that drop, the one that the packet comes to first is named.
func TestBaseChainsInOrder(t *testing.T) {
	for _, order := range [][2]string{{"-300", "-150"}, {"-150", "-10"}, {"-10", "0"}, {"0", "50"}, {"50", "100"}, {"9", "10"}, {`"raw"`, `"mangle"`},
		{`"filter - 5"`, "0"}, {"0", `"security"`}, {`"filter"`, `"filter + 1"`}} {
		first := `{"chain":{"family":"inet","table":"t","name":"first","type":"filter","hook":"input","prio":` + order[0] + `,"policy":"drop"}}`
		second := `{"chain":{"family":"inet","table":"t","name":"second","type":"filter","hook":"input","prio":` + order[1] + `,"policy":"drop"}}`
		for _, chains := range []string{first + "," + second, second + "," + first} {
			doc := `{"nftables":[` + chains + `]}`
			if !json.Valid([]byte(doc)) {
				t.Fatal(doc)
			}
			got := Firewall{NFT: doc}.Rule(Packet{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Port: 1})
			if got.Verdict != Drops || !strings.Contains(got.Rule, "chain first") {
				t.Errorf("%v: %+v", order, got)
			}
		}
	}
}
