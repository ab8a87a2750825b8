package record

import "testing"

func TestConnectionsAddUp(t *testing.T) {
	a := &Connections{"shared", 1, 2, 3, 4}
	if got := a.Plus(a); *got != (Connections{"shared", 2, 4, 6, 8}) || *a != (Connections{"shared", 1, 2, 3, 4}) {
		t.Errorf("%+v, %+v", got, a)
	}
	var none *Connections
	if got := none.Plus(nil); got != nil {
		t.Errorf("%+v", got)
	}
	if got := none.Plus(a); *got != *a || a.Plus(nil) != a {
		t.Errorf("%+v", got)
	}
}
