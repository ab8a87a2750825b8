package tokens

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParsePartitioner(t *testing.T) {
	for name, want := range map[string]Partitioner{
		"random":            Random,
		"Random":            Random,
		"RandomPartitioner": Random,
		"org.apache.cassandra.dht.RandomPartitioner": Random,
		"murmur3":            Murmur3,
		"Murmur3Partitioner": Murmur3,
		"org.apache.cassandra.dht.Murmur3Partitioner": Murmur3,
	} {
		if got, err := ParsePartitioner(name); got != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, want)
		}
	}
	for _, name := range []string{"", "partitioner", "murmur", "ByteOrderedPartitioner", "org.example.RandomPartitioner"} {
		if got, err := ParsePartitioner(name); err == nil {
			t.Errorf("%q is taken as %s", name, got)
		}
	}
}

func TestParseStrategy(t *testing.T) {
	if s, err := ParseStrategy("ccm"); s != CCM || err != nil {
		t.Errorf("ccm: got %s, %v", s, err)
	}
	if _, err := ParseStrategy("onts"); err == nil {
		t.Error("onts is taken")
	}
}

func TestWrite(t *testing.T) {
	tests := []struct {
		p     Partitioner
		nodes []int
		want  string
	}{
		{Random, []int{3, 1}, `DC #1:
  Node #1:                                        0
  Node #2:   56713727820156410577229101238628035242
  Node #3:  113427455640312821154458202477256070484
DC #2:
  Node #1:  169417178424467235000914166253263322299
`},
		{Murmur3, []int{2}, `DC #1:
  Node #1:  -9223372036854775808
  Node #2:                     0
`},
		{Random, []int{10}, `DC #1:
  Node #01:                                        0
  Node #02:   17014118346046923173168730371588410572
  Node #03:   34028236692093846346337460743176821144
  Node #04:   51042355038140769519506191114765231716
  Node #05:   68056473384187692692674921486353642288
  Node #06:   85070591730234615865843651857942052860
  Node #07:  102084710076281539039012382229530463432
  Node #08:  119098828422328462212181112601118874004
  Node #09:  136112946768375385385349842972707284576
  Node #10:  153127065114422308558518573344295695148
`},
	}
	for _, tt := range tests {
		ring, err := Generate(tt.p, NTS, tt.nodes)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := Write(&b, tt.p, ring); err != nil {
			t.Fatal(err)
		}
		if b.String() != tt.want {
			t.Errorf("%s %v: got\n%swant\n%s", tt.p, tt.nodes, b.String(), tt.want)
		}
	}
}

func TestDocument(t *testing.T) {
	ring, err := Generate(Random, NTS, []int{1, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(NewDocument(Random, NTS, []string{"us-east"}, ring))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"schema":"crossring/v1","partitioner":"RandomPartitioner","strategy":"nts","datacenters":[` +
		`{"name":"us-east","tokens":["0"]},{"name":"DC2","tokens":[]},{"name":"DC3","tokens":["168693173388465238270141028790642538870"]}]}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}
