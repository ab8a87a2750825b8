package topology

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// What is not known is null, and read back as it was.
func TestTimesThatAreNotKnown(t *testing.T) {
	for _, since := range []time.Time{{}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} {
		data, err := json.Marshal(Process{Node: "a", PID: 7, Since: since})
		if err != nil {
			t.Fatal(err)
		}
		var back Process
		if err := json.Unmarshal(data, &back); err != nil || back.Node != "a" || back.PID != 7 || !back.Since.Equal(since) {
			t.Errorf("%s: %+v, %v", data, back, err)
		}
		if strings.Contains(string(data), "0001-") || since.IsZero() != strings.Contains(string(data), `"since":null`) {
			t.Errorf("%s", data)
		}
	}
}
