package report

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// browser is a Chromium that shows one page, driven by its DevTools protocol.
type browser struct {
	t    *testing.T
	conn *websocket.Conn
	next int
}

// browserWait is how long anything of a browser may take on a busy computer.
const browserWait = 2 * time.Minute

// openBrowser starts one on a page that is a file.
func openBrowser(t *testing.T, file string) *browser {
	t.Helper()
	exe := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			exe = path
			break
		}
	}
	if exe == "" {
		t.Skip("no chromium in PATH: sh scripts/setup.sh --tests installs one")
	}
	ctx, stop := context.WithTimeout(context.Background(), 3*browserWait)
	t.Cleanup(stop)
	cmd := exec.CommandContext(ctx, exe, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
		"--disable-background-networking", "--remote-debugging-port=0", "--remote-allow-origins=*", "--user-data-dir="+t.TempDir(), "about:blank")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
	})
	address := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if m := regexp.MustCompile(`DevTools listening on ws://([^/]+)/`).FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
		close(address)
	}()
	var at string
	select {
	case at = <-address:
	case <-time.After(browserWait):
	}
	if at == "" {
		t.Fatalf("%s does not listen", exe)
	}
	conn, err := websocket.Dial("ws://"+at+"/devtools/page/"+pageID(t, at), "", "http://localhost")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the browser goes, too
	b := &browser{t: t, conn: conn}
	b.do("Page.enable", nil, nil)
	b.do("Page.navigate", map[string]any{"url": "file://" + file}, nil)
	for end := time.Now().Add(browserWait); ; {
		if b.eval("document.readyState + location.protocol") == "completefile:" {
			return b
		}
		if time.Now().After(end) {
			t.Fatal("the page does not load")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// pageID asks a browser for its page.
func pageID(t *testing.T, at string) string {
	t.Helper()
	resp, err := (&http.Client{Timeout: browserWait}).Get("http://" + at + "/json/list")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list []struct{ ID, Type string }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	for _, page := range list {
		if page.Type == "page" {
			return page.ID
		}
	}
	t.Fatalf("no page among %v", list)
	return ""
}

// do sends a command and waits for its answer.
func (b *browser) do(method string, params, result any) {
	b.t.Helper()
	b.next++
	_ = b.conn.SetDeadline(time.Now().Add(browserWait))
	if err := websocket.JSON.Send(b.conn, map[string]any{"id": b.next, "method": method, "params": params}); err != nil {
		b.t.Fatal(err)
	}
	for {
		var answer struct {
			ID     int             `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  any             `json:"error"`
		}
		if err := websocket.JSON.Receive(b.conn, &answer); err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		if answer.ID != b.next {
			continue // an event
		}
		if answer.Error != nil {
			b.t.Fatalf("%s: %v", method, answer.Error)
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				b.t.Fatal(err)
			}
		}
		return
	}
}

// eval is what an expression comes to on the page.
func (b *browser) eval(expression string) any {
	b.t.Helper()
	var got struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
	}
	b.do("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &got)
	return got.Result.Value
}

// look gives the page a width and a scheme, and takes a picture of all of it.
func (b *browser) look(width int, scheme, name string) image.Image {
	b.t.Helper()
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	b.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	var shot struct {
		Data string `json:"data"`
	}
	b.do("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	// Somebody may want to see it.
	if dir := os.Getenv("CROSSRING_PICTURES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), data, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	return picture
}

// The pages are looked at in a real browser: on a phone nothing is wider than the screen and no
// text of a chart is too small to read, and dark is dark.
func TestPagesInABrowser(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	later, until := at.Add(20*time.Second), at.Add(9*time.Second)
	d := troubled()
	d.Command, d.Crossring, d.Started = "crossring repro gk --rows 100000 --rate 5000 --read-after 500ms", "v9", &at
	d.Faults = measured().Faults
	d.Faults[0].Since, d.Faults[0].Until = at.Add(4*time.Second), &until
	var b bytes.Buffer
	if err := HTML(&b, d, Course{Write: courseOf(19), Read: courseOf(13), WriteSince: &at, ReadSince: &later}); err != nil {
		t.Fatal(err)
	}
	run := b.Bytes()
	b = bytes.Buffer{}
	if err := LagHTML(&b, measured()); err != nil {
		t.Fatal(err)
	}
	for name, page := range map[string][]byte{"run": run, "lag": b.Bytes()} {
		file := filepath.Join(t.TempDir(), name+".html")
		if err := os.WriteFile(file, page, 0o600); err != nil {
			t.Fatal(err)
		}
		b := openBrowser(t, file)
		for _, width := range []int{390, 1200} {
			for _, scheme := range []string{"light", "dark"} {
				picture := b.look(width, scheme, name)
				if wide, _ := b.eval("document.documentElement.scrollWidth").(float64); int(wide) > width {
					t.Errorf("%s: the page is %g wide on a screen of %d", name, wide, width)
				}
				r, g, bl, _ := picture.At(3, 3).RGBA()
				if dark := (r+g+bl)>>8 < 3*90; dark != (scheme == "dark") {
					t.Errorf("%s: the paper of a %s page is %d, %d, %d", name, scheme, r>>8, g>>8, bl>>8)
				}
				if n := colours(picture); n < 20 {
					t.Errorf("%s: %d colours in all, at %d, %s", name, n, width, scheme)
				}
			}
			// What an SVG's text is as tall as on the screen.
			least, _ := b.eval(`Math.min(...[...document.querySelectorAll("svg.plot text")].map(t => t.getBoundingClientRect().height))`).(float64)
			if least < 8 {
				t.Errorf("%s: text %g px tall at %d", name, least, width)
			}
			if n, _ := b.eval(`[...document.querySelectorAll(".line")].filter(l => l.getBoundingClientRect().width < 50).length`).(float64); n > 0 {
				t.Errorf("%s: %g lines are not to be seen at %d", name, n, width)
			}
		}
	}
}

// colours is how many a picture has.
func colours(p image.Image) int {
	seen := map[[3]uint32]bool{}
	for y := p.Bounds().Min.Y; y < p.Bounds().Max.Y; y += 2 {
		for x := p.Bounds().Min.X; x < p.Bounds().Max.X; x += 2 {
			r, g, b, _ := p.At(x, y).RGBA()
			seen[[3]uint32{r >> 8, g >> 8, b >> 8}] = true
		}
	}
	return len(seen)
}
