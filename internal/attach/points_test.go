package attach

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestParsePoints(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1":                        "10.0.0.1:9042",
		"10.0.0.1, 10.0.0.2:9142":         "10.0.0.1:9042 10.0.0.2:9142",
		"10.0.0.1,10.0.0.1:9042":          "10.0.0.1:9042", // the same one
		"db-1.example.com:9042":           "db-1.example.com:9042",
		"::1":                             "[::1]:9042",
		"[::1]":                           "[::1]:9042",
		"[2001:db8::7]:9142,10.0.0.1":     "[2001:db8::7]:9142 10.0.0.1:9042",
		"2001:0db8:0:0:0:0:0:7":           "[2001:db8::7]:9042",
		",10.0.0.1,":                      "10.0.0.1:9042",
		"localhost":                       "localhost:9042",
		"10.0.0.1:65535":                  "10.0.0.1:65535",
		"cassandra_1.cassandra.svc.":      "cassandra_1.cassandra.svc.:9042",
		"10.0.0.1 , 10.0.0.2 , 10.0.0.03": "10.0.0.1:9042 10.0.0.2:9042 !",
	} {
		points, problems := ParsePoints([]string{text})
		var got []string
		for _, p := range points {
			got = append(got, p.String())
		}
		for range problems {
			got = append(got, "!")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v %v, want %s", text, got, problems, want)
		}
	}
	for _, text := range []string{
		"", ",", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:-1", "10.0.0.1:+1", "10.0.0.1:x", "0.0.0.0", "::", "[::1", "[::1]9042", "[::1]:", "fe80::1%eth0",
		"a b", "-a", "a-", "a..b", "10.0.0", "256.0.0.1", "/tmp/sock", "http://10.0.0.1", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "aa",
	} {
		if points, problems := ParsePoints([]string{text}); len(problems) == 0 {
			t.Errorf("%q: %v", text, points)
		}
	}
	// All that is wrong is said at once.
	if _, problems := ParsePoints([]string{"a b,10.0.0.1:0", "::"}); len(problems) != 3 {
		t.Errorf("%v", problems)
	}
}

// What is read is written as something that is read as the same again.
func FuzzParsePoints(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "[::1]:9042,a.b:1", "::ffff:10.0.0.1", "a:b:c", "[", "]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		points, problems := ParsePoints([]string{s})
		if len(points)+len(problems) == 0 {
			t.Fatalf("%q is nothing at all", s)
		}
		var again []string
		for _, p := range points {
			if p.Port < 1 || p.Port > 65535 || p.Host == "" || strings.ContainsAny(p.Host, " ,/\n\x00") {
				t.Fatalf("%q: %+v", s, p)
			}
			again = append(again, p.String())
		}
		if len(points) == 0 {
			return
		}
		if back, problems := ParsePoints(again); len(problems) > 0 || !slices.Equal(back, points) {
			t.Fatalf("%q: %v is read as %v, %v", s, points, back, problems)
		}
	})
}

func TestParseReplication(t *testing.T) {
	got, problems := ParseReplication([]string{"eu=3", "us east=1", "a=b=2", "none=0"})
	if len(problems) != 0 || !maps.Equal(got, map[string]int{"eu": 3, "us east": 1, "a=b": 2, "none": 0}) {
		t.Errorf("%v, %v", got, problems)
	}
	if _, problems := ParseReplication([]string{"eu", "=3", "eu=x", "eu=-1", "eu=1", "eu=2", "x=99999999999999999999"}); len(problems) != 6 {
		t.Errorf("%v", problems)
	}
}
