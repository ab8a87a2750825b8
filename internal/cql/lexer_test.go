package cql

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" ;; \n; ", nil},
		{"SELECT 1; -- done", []string{"SELECT 1"}},
		{"SELECT 1; // done; really", []string{"SELECT 1"}},
		{"SELECT 1; /* done; \n really */ ;", []string{"SELECT 1"}},
		{"-- only this", nil},
		{"/* a */ SELECT /* b; c */ 1 -- d\n FROM t", []string{"SELECT            1     \n FROM t"}},
		{"INSERT INTO t (a) VALUES ('x; -- y'); SELECT 1", []string{"INSERT INTO t (a) VALUES ('x; -- y')", "SELECT 1"}},
		{"INSERT INTO t (a) VALUES ('it''s; /* x'); SELECT 1", []string{"INSERT INTO t (a) VALUES ('it''s; /* x')", "SELECT 1"}},
		{`SELECT "a;b", "c""d;" FROM t;`, []string{`SELECT "a;b", "c""d;" FROM t`}},
		{"CREATE FUNCTION f (a int) RETURNS NULL ON NULL INPUT RETURNS int LANGUAGE java AS $$ if (a > 0) { return 1; } // '\n return a; $$; SELECT 1",
			[]string{"CREATE FUNCTION f (a int) RETURNS NULL ON NULL INPUT RETURNS int LANGUAGE java AS $$ if (a > 0) { return 1; } // '\n return a; $$", "SELECT 1"}},
		{"BEGIN BATCH INSERT INTO t (a) VALUES (1); INSERT INTO t (a) VALUES ('APPLY BATCH'); APPLY BATCH; SELECT 1",
			[]string{"BEGIN BATCH INSERT INTO t (a) VALUES (1); INSERT INTO t (a) VALUES ('APPLY BATCH'); APPLY BATCH", "SELECT 1"}},
		{"begin unlogged batch using timestamp 1 update t set a = 1; apply\n--;\nbatch", []string{"begin unlogged batch using timestamp 1 update t set a = 1; apply\n   \nbatch"}},
		{"BEGIN COUNTER BATCH UPDATE t SET c = c + 1; APPLY BATCH; APPLY BATCH; BEGIN BATCH APPLY BATCH",
			[]string{"BEGIN COUNTER BATCH UPDATE t SET c = c + 1; APPLY BATCH", "APPLY BATCH", "BEGIN BATCH APPLY BATCH"}},
		{"BEGIN TRANSACTION LET a = (SELECT 1); SELECT a; COMMIT TRANSACTION; SELECT 1", []string{"BEGIN TRANSACTION LET a = (SELECT 1); SELECT a; COMMIT TRANSACTION", "SELECT 1"}},
		{"SELECT begin, batch FROM t; SELECT 1", []string{"SELECT begin, batch FROM t", "SELECT 1"}},
		{"SELECT a / b - c FROM t; SELECT $ ", []string{"SELECT a / b - c FROM t", "SELECT $"}},
	} {
		if got, err := Split(tt.text); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q\ngot  %q, %v\nwant %q", tt.text, got, err, tt.want)
		}
	}
	for text, want := range map[string]UnendedError{
		"SELECT 1;\nSELECT 'x; SELECT 2":         {"a string", 2},
		`SELECT "x`:                              {"a quoted name", 1},
		"\n\n/* SELECT 1;":                       {"a comment", 3},
		"CREATE FUNCTION f () AS $$ return 1;":   {"a body in $$", 1},
		"SELECT 1;\n BEGIN BATCH\nDELETE a; -- ": {"a batch", 2},
	} {
		var got *UnendedError
		if _, err := Split(text); !errors.As(err, &got) || *got != want {
			t.Errorf("%q: %v, want %v", text, err, &want)
		}
	}
}

// What statements of known pieces are joined to comes apart again, comments or not.
func TestSplitWhatWasJoined(t *testing.T) {
	pieces := []string{"SELECT", "a", "'x;y'", "'--'", "'it''s'", `"q;"`, `"/*"`, "$$ ; ' $$", "1.5", "(?, ?)", "=", "{'a': 1}", "ü", "begin", "Batch", "apply"}
	fillers := []string{" ", "\n", "\t", " -- c; 'x\n", " // \"c\n", " /* ; $$ ' */ "}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		var want []string
		var b strings.Builder
		for range rng.IntN(4) {
			var words []string
			for range 1 + rng.IntN(6) {
				words = append(words, pieces[rng.IntN(len(pieces))])
			}
			if strings.EqualFold(words[0], "begin") {
				words[0] = "SELECT" // a batch is no statement of pieces
			}
			want = append(want, strings.Join(words, " "))
			for _, w := range words {
				b.WriteString(w + fillers[rng.IntN(len(fillers))])
			}
			b.WriteString(";")
		}
		got, err := Split(b.String())
		for i := range got {
			got[i] = squeeze(got[i])
		}
		for i := range want {
			want[i] = squeeze(want[i])
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q\ngot  %q, %v\nwant %q", b.String(), got, err, want)
		}
	}
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// Whatever the text, nothing of it is lost but comments and semicolons, and nothing is added.
func FuzzSplit(f *testing.F) {
	f.Add("SELECT 1; /* x */ BEGIN BATCH a; APPLY BATCH; $$ ' $$ -- \n'")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Split(text)
		if err != nil {
			return
		}
		rest := text
		for _, s := range got {
			for _, word := range strings.Fields(s) {
				i := strings.Index(rest, word)
				if i < 0 {
					t.Fatalf("%q came apart into %q: where is %q from", text, got, word)
				}
				rest = rest[i+len(word):]
			}
			again, err := Split(s)
			if err != nil || len(again) != 1 || again[0] != s {
				t.Fatalf("%q comes apart into %q, %v", s, again, err)
			}
		}
	})
}
