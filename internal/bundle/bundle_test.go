package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestText(t *testing.T) {
	m := NewMask(map[string]string{"lab": "cluster", "lab-box": "computer", "": "x"})
	// In this order: words are given as they come.
	for _, tt := range [][2]string{
		{"10.0.0.1:9042 and 10.0.0.2, 10.0.0.1", "address-1:9042 and address-2, address-1"},
		{"fe80::1 at 23:29:53, 2001:db8::2", "address-3 at 23:29:53, address-4"},
		{"results in /home/ann/state/runs/lab-2, see /home/ann/x", "results in path-1, see path-2"},
		{`open "/home/ann/x": --state=/home/ann/x ~/keys`, `open "path-2": --state=path-2 path-3`},
		{"crossring repro lab on lab-box, collab labs lab:us-east-1", "crossring repro cluster on computer, collab labs cluster:us-east-1"},
		{"8,000 rows/s on linux/amd64, 5.0.9, 99.99 %", "8,000 rows/s on linux/amd64, 5.0.9, 99.99 %"},
		{"lab-20261130T222549Z-f8ad", "cluster-20261130T222549Z-f8ad"},
		{"at 999.1.1.1", "at 999.1.1.1"},
	} {
		if got := m.Text(tt[0]); got != tt[1] {
			t.Errorf("%q: %q, want %q", tt[0], got, tt[1])
		}
	}
}

func TestJSON(t *testing.T) {
	m := NewMask(map[string]string{"write": "cluster"})
	got, err := m.JSON([]byte(`{"cluster": "write", "write": {"coordinators": {"10.0.0.9": 5, "10.0.0.1": 12345678901234567890}}, "run_dir": "/s/runs/write-1", "list": ["10.0.0.9", null, 1.50]}`))
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, got); err != nil {
		t.Fatal(err)
	}
	want := `{"cluster":"cluster","list":["address-1",null,1.50],"run_dir":"path-1","write":{"coordinators":{"address-1":5,"address-2":12345678901234567890}}}`
	if compact.String() != want {
		t.Errorf("got\n%s\nwant\n%s", compact.String(), want)
	}
	if _, err := m.JSON([]byte("{")); err == nil {
		t.Error("half a document is taken")
	}
}

func TestArchive(t *testing.T) {
	var b bytes.Buffer
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	files := []File{{"report.html", []byte("<p>")}, {"read.1/read.raw", bytes.Repeat([]byte("x"), 100_000)}}
	if err := Write(&b, "lab-1", at, files); err != nil {
		t.Fatal(err)
	}
	first := bytes.Clone(b.Bytes())
	z, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	r, n := tar.NewReader(z), 0
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil || h.Name != "lab-1/"+files[n].Name || !bytes.Equal(data, files[n].Data) || h.Mode != 0o644 || !h.ModTime.Equal(at) || strings.Contains(h.Uname, "root") {
			t.Errorf("%+v, %v", h, err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d files", n)
	}
	b.Reset()
	if err := Write(&b, "lab-1", at, files); err != nil || !bytes.Equal(b.Bytes(), first) {
		t.Errorf("the same files make another archive: %v", err)
	}
}
