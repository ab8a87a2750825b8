package nodetooltest

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseRing(t *testing.T) {
	const last = "169417178424467235000914166253263322299"
	for name, want := range map[string][]RingRow{
		"1.2/keyspace/ring.txt": {
			{"us-east", "127.43.102.1", "1a", "Up", "Normal", "189.59 KB", "100.00%", "0"},
			{"us-west-2", "127.43.103.1", "2a", "Up", "Normal", "14.03 KB", "100.00%", last},
		},
		"1.2/nokeyspace/ring.txt": {
			{"us-east", "127.43.102.1", "1a", "Up", "Normal", "14 KB", "0.43%", "0"},
			{"us-west-2", "127.43.103.1", "2a", "Up", "Normal", "14.03 KB", "99.57%", last},
		},
		"5.0/down/ring.txt": {
			{"us-east", "127.43.102.1", "1a", "Up", "Normal", "132.87 KiB", "100.00%", "0"},
			{"us-west-2", "127.43.103.1", "2a", "Down", "Normal", "114.31 KiB", "100.00%", last},
		},
		"5.0/vnodes/ring.txt": {
			{"us-east", "127.43.102.1", "1a", "Up", "Normal", "85.1 KiB", "100.00%", "100"},
			{"us-east", "127.43.102.1", "1a", "Up", "Normal", "85.1 KiB", "100.00%", "56713727820156410577229101238628035342"},
			{"us-east", "127.43.102.1", "1a", "Up", "Normal", "85.1 KiB", "100.00%", "113427455640312821154458202477256070584"},
			{"us-west-2", "127.43.103.1", "2a", "Up", "Normal", "122.03 KiB", "100.00%", "200"},
			{"us-west-2", "127.43.103.1", "2a", "Up", "Normal", "122.03 KiB", "100.00%", "56713727820156410577229101238628035442"},
			{"us-west-2", "127.43.103.1", "2a", "Up", "Normal", "122.03 KiB", "100.00%", "113427455640312821154458202477256070684"},
		},
	} {
		got, err := ParseRing(read(t, name))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", name, got, err, want)
		}
	}
}

func TestParseStatus(t *testing.T) {
	const last = "169417178424467235000914166253263322299"
	for name, want := range map[string][]StatusRow{
		"1.2/nokeyspace/status.txt": {
			{"us-east", "U", "N", "127.43.102.1", "14 KB", "", "0.4%", false, "75bfdb1b-dfb4-487a-9fad-ade3bcd62874", "0", "1a"},
			{"us-west-2", "U", "N", "127.43.103.1", "14.03 KB", "", "99.6%", false, "f58e6633-5da8-475b-b4e9-9133cba6ce6f", last, "2a"},
		},
		"5.0/down/status.txt": {
			{"us-east", "U", "N", "127.43.102.1", "132.87 KiB", "", "100.0%", true, "17b37348-b714-4f8f-9f7c-747a3be178dd", "0", "1a"},
			{"us-west-2", "D", "N", "127.43.103.1", "114.31 KiB", "", "100.0%", true, "25dcbaf9-f9dc-4cdb-98d9-bf3732dde939", last, "2a"},
		},
		"1.2/vnodes/status.txt": {
			{"us-east", "U", "N", "127.43.102.1", "36.59 KB", "3", "100.0%", true, "4249f579-a3f3-426b-94ef-a5c97fa095cf", "", "1a"},
			{"us-west-2", "U", "N", "127.43.103.1", "14.1 KB", "3", "100.0%", true, "cb9e8948-b610-492c-9154-26fcf83c419b", "", "2a"},
		},
	} {
		got, err := ParseStatus(read(t, name))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", name, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "error: connection refused", "Datacenter: x\n--  Address\nAddress Rack\nUN only"} {
		if rows, err := ParseRing([]byte(text)); err == nil {
			t.Errorf("ParseRing(%q) = %v, nil; want an error", text, rows)
		}
		if rows, err := ParseStatus([]byte(text)); err == nil {
			t.Errorf("ParseStatus(%q) = %v, nil; want an error", text, rows)
		}
	}
}

// FuzzParse holds that no text makes a parser panic, and that rows have a datacenter line.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"1.2/keyspace", "1.2/vnodes", "5.0/nokeyspace", "5.0/vnodes"} {
		f.Add(read(f, name+"/ring.txt"))
		f.Add(read(f, name+"/status.txt"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := ParseRing(text)
		for _, r := range rows {
			if err != nil || r.Address == "" || r.Token == "" || r.Status == "" || r.State == "" {
				t.Errorf("ParseRing: row %+v, error %v", r, err)
			}
		}
		nodes, err := ParseStatus(text)
		for _, n := range nodes {
			if err != nil || n.Address == "" || n.HostID == "" || (n.Token == "") == (n.Tokens == "") {
				t.Errorf("ParseStatus: row %+v, error %v", n, err)
			}
		}
	})
}
