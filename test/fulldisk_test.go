package test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"crossring/internal/fail"
	"crossring/internal/load"
	"crossring/internal/report"
)

// A disk that fills up under running servers: the load fails, and says why, as does status; no row
// that was acknowledged is lost, and the cluster goes on once there is room.
func TestDiskThatFillsUp(t *testing.T) {
	needLong(t)
	beside(t, 2)
	h := newHome(t)
	// The servers' disk: what a run writes down is on another one.
	disk := filepath.Join(h.state, "clusters")
	if err := os.MkdirAll(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, disk, "size=768m", 0)
	c := h.up(t, "full", oneByOne("full", newest))
	h.must(t, "repro", c.name, "--rows", "200")

	// All but a few megabytes: less than the next segment of a commit log.
	var fs unix.Statfs_t
	if err := unix.Statfs(disk, &fs); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, ".ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(fs.Bavail)*fs.Bsize-(6<<20)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	r := h.run(t.Context(), "stress", "write", c.name, "--rows", "20000", "--value-bytes", "2000", "-o", "json")
	w := decode[load.StressResult](t, r)
	if r.code == 0 || w.Write == nil || w.Write.Failed+w.Write.Unknown == 0 {
		t.Fatalf("a full disk took every row: %s", r)
	}
	checkSays(t, r, "the disk of "+disk, " is full", "df -h "+disk)
	if w.Write.Acknowledged+w.Write.Failed+w.Write.Unknown != w.Write.Rows {
		t.Errorf("outcomes do not add up: %+v", w.Write)
	}
	checkSays(t, h.run(t.Context(), "status", c.name), "the disk of "+disk, " is full", "df -h "+disk)
	checkSays(t, h.want(t, fail.ExitRing, "repro", c.name, "--rows", "200"), "the disk of "+disk, " is full")

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	h.must(t, "up", c.name)
	h.must(t, "ring", c.name)
	got := decode[load.StressResult](t, h.run(t.Context(), "stress", "read", c.name, "--run", w.RunDir, "--read-dc", "us-east", "--read-consistency", "LOCAL_ONE", "--missing-deadline", "2s", "-o", "json"))
	// A server that ends on a full disk may lose what it had acknowledged since its last sync. Then
	// that is said: each acknowledged row is found or lost, and nothing else is there.
	if got.Read == nil || got.Outcomes == nil || got.Lost == nil {
		t.Fatalf("no account: %+v", got)
	}
	acked := got.Outcomes.Acknowledged
	if acked.Found+acked.Late+acked.Missing != w.Write.Acknowledged || *got.Lost != acked.Missing || got.Outcomes.Failed.Found != 0 {
		t.Errorf("of %d acknowledged rows: %+v, lost %d", w.Write.Acknowledged, got.Outcomes, *got.Lost)
	}
	t.Logf("of %d rows that were acknowledged while the disk filled up, %d were lost", w.Write.Acknowledged, acked.Missing)
	doc := decode[report.Document](t, h.must(t, "repro", c.name, "--rows", "200", "-o", "json"))
	if doc.Read == nil || doc.Read.Found != 200 {
		t.Errorf("after there was room: %+v", doc.Read)
	}
}
