package page

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// browser is a headless Chromium that is spoken to over a pipe, in the words of
// its DevTools protocol (--remote-debugging-pipe: JSON, a zero byte after each).
// It is for one goroutine.
type browser struct {
	t       *testing.T
	in      io.Writer
	out     *bufio.Reader
	last    int
	session string
	// requests are the addresses that were asked for, complaints what the
	// browser wrote into its log.
	requests, complaints []string
}

// message is a call's answer, or an event.
type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// open starts a browser with an empty page. Without a Chromium the test is
// skipped where it may be.
func open(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("LPM_MUST_SANDBOX") == "" {
			t.Skip("there is no chromium here")
		}
		t.Fatal(err)
	}
	folder := t.TempDir()
	in, toBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromBrowser, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// Its sandbox is not what is tested, and root cannot have it.
	c := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-breakpad",
		"--hide-scrollbars", "--user-data-dir="+folder, "about:blank")
	c.ExtraFiles = []*os.File{in, out}
	c.Env = append(os.Environ(), "HOME="+folder, "XDG_CONFIG_HOME="+folder, "XDG_CACHE_HOME="+folder)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	b := &browser{t: t, in: toBrowser, out: bufio.NewReaderSize(fromBrowser, 1<<20)}
	ended := make(chan struct{})
	go func() { c.Wait(); close(ended) }()
	// A browser that hangs ends the reading too.
	stop := func() { syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	limit := time.AfterFunc(2*time.Minute, stop)
	t.Cleanup(func() {
		limit.Stop()
		toBrowser.Close()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
		}
		stop()
		<-ended
		fromBrowser.Close()
	})
	b.attach()
	return b
}

// attach opens a page, and has everything about it reported.
func (b *browser) attach() {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Page", "Network", "Log", "Runtime"} {
		b.call(domain+".enable", nil, nil)
	}
}

// call makes a call and reads its answer into result.
func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	b.last++
	request := map[string]any{"id": b.last, "method": method}
	if params != nil {
		request["params"] = params
	}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	text, err := json.Marshal(request)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(text, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	b.until(method, func(m message) bool {
		if m.ID != b.last {
			return false
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
		return true
	})
}

// until reads messages until one is the awaited.
func (b *browser) until(what string, is func(message) bool) {
	b.t.Helper()
	for {
		m, err := b.read()
		if err != nil {
			b.t.Fatalf("waiting for %s: %v", what, err)
		}
		b.note(m)
		if is(m) {
			return
		}
	}
}

func (b *browser) read() (message, error) {
	text, err := b.out.ReadBytes(0)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the browser has ended")
		}
		return message{}, err
	}
	var m message
	return m, json.Unmarshal(text[:len(text)-1], &m)
}

// note keeps what must not happen.
func (b *browser) note(m message) {
	switch m.Method {
	case "Network.requestWillBeSent":
		var p struct{ Request struct{ URL string } }
		json.Unmarshal(m.Params, &p)
		b.requests = append(b.requests, p.Request.URL)
	case "Log.entryAdded":
		var p struct{ Entry struct{ Text string } }
		json.Unmarshal(m.Params, &p)
		b.complaints = append(b.complaints, p.Entry.Text)
	case "Runtime.exceptionThrown", "Page.javascriptDialogOpening":
		b.complaints = append(b.complaints, m.Method+": "+string(m.Params))
	}
}

// visit loads an address.
func (b *browser) visit(address string) {
	b.t.Helper()
	b.requests, b.complaints = nil, nil
	var to struct{ ErrorText string }
	b.call("Page.navigate", map[string]any{"url": address}, &to)
	if to.ErrorText != "" {
		b.t.Fatalf("%s: %s", address, to.ErrorText)
	}
	b.until("the page", func(m message) bool { return m.Method == "Page.loadEventFired" })
}

// show sets the width of the page, what it is shown on and in which colours.
func (b *browser) show(width int, media, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{
		"media": media, "features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
	}, nil)
}

// evaluate runs a script of the test's own in the page; the page's policy does
// not hold for it.
func (b *browser) evaluate(script string, result any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("the test's script: %s", answer.ExceptionDetails.Exception.Description)
	}
	if err := json.Unmarshal(answer.Result.Value, result); err != nil {
		b.t.Fatal(fmt.Errorf("the test's script: %w", err))
	}
}

// picture returns the whole page as PNG.
func (b *browser) picture() []byte {
	b.t.Helper()
	var shot struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	return shot.Data
}
