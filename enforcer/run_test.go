package enforcer_test

import (
	"testing"
)

func TestRunPrintsAndExits(t *testing.T) {
	l := newLab(t, "static")
	o := l.run(static(nil), "hello")
	if o.Code != 0 || len(o.Denials) > 0 {
		t.Errorf("hello: code %d, denials %v, stderr %q", o.Code, o.Denials, o.err)
	}
	if o.out == "" {
		t.Error("hello printed nothing")
	}
	if o = l.run(static(nil), "exit", "7"); o.Code != 7 {
		t.Errorf("exit 7: code %d", o.Code)
	}
}
