package cmd

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSignals(t *testing.T) {
	for text, want := range map[string]signals{
		"HUP":         {reload: []syscall.Signal{unix.SIGHUP}},
		"TERM":        {stop: unix.SIGTERM},
		"HUP,TERM":    {reload: []syscall.Signal{unix.SIGHUP}, stop: unix.SIGTERM},
		"SIGUSR1,hup": {reload: []syscall.Signal{unix.SIGUSR1, unix.SIGHUP}},
		"INT, QUIT":   {reload: []syscall.Signal{unix.SIGINT}, stop: unix.SIGQUIT},
	} {
		var s signals
		if err := s.Set(text); err != nil || !slices.Equal(s.reload, want.reload) || s.stop != want.stop || s.String() != text {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "HUP,", "HANGUP", "KILL", "STOP", "0", "65", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"} {
		var s signals
		if err := s.Set(text); err == nil {
			t.Errorf("%q is %+v", text, s)
		}
	}
}

func TestReady(t *testing.T) {
	var r ready
	if err := r.Set("30s"); err != nil || r.within != 30*time.Second || r.at != nil {
		t.Errorf("a time is %+v, %v", r, err)
	}
	if err := r.Set("tcp://:80"); err != nil || r.within != 30*time.Second || r.at.Address != "127.0.0.1:80" {
		t.Errorf("a place is %+v, %v", r, err)
	}
	if err := r.Set("soon"); err == nil {
		t.Error("soon is a place")
	}
}
