package client

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestTransportNeedsTLS has the hosts that go-containerregistry speaks plain
// HTTP to without being asked, beside those that may be spoken to so.
func TestTransportNeedsTLS(t *testing.T) {
	for _, test := range []struct {
		url      string
		insecure bool
		refused  bool
	}{
		{"http://10.1.2.3:5000/v2/", false, true},
		{"http://192.168.1.1/v2/", false, true},
		{"http://registry.local/v2/", false, true},
		{"http://example.org/v2/", false, true},
		{"http://localhost.example.org/v2/", false, true},
		{"http://127.0.0.1.example.org/v2/", false, true},
		{"http://10.1.2.3:5000/v2/", true, false},
		{"https://example.org/v2/", false, false},
		{"http://localhost:5000/v2/", false, false},
		{"http://127.0.0.1:5000/v2/", false, false},
		{"http://127.9.9.9/v2/", false, false},
		{"http://[::1]:5000/v2/", false, false},
	} {
		t.Run(test.url, func(t *testing.T) {
			transport := New(test.insecure)
			// Nothing is to leave the machine, so no connection is made.
			errDial := errors.New("dialled")
			transport.base.Proxy = nil
			transport.base.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, errDial
			}
			_, err := transport.RoundTrip(httptest.NewRequest(http.MethodGet, test.url, nil))
			var plain *PlaintextError
			if got := errors.As(err, &plain); got != test.refused || !got && !errors.Is(err, errDial) {
				t.Errorf("error %v, want a refusal: %v", err, test.refused)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	for _, test := range []struct {
		from, to string
		allowed  bool
		layers   bool // where only layers may be elsewhere
	}{
		{"registry.example", "cdn.example", true, false},
		{"registry.example", "registry.example", true, false},
		{"registry.example", "203.0.113.5", true, false},
		{"127.0.0.1", "127.0.0.1", true, false},
		{"10.0.0.7", "10.0.0.8", true, true},
		{"127.0.0.1", "10.0.0.8", true, true},
		{"10.0.0.7", "169.254.169.254", false, false},
		{"registry.example", "169.254.169.254", false, false},
		{"registry.example", "10.0.0.8", false, false},
		{"registry.example", "127.0.0.1", false, false},
		{"registry.example", "localhost", false, false},
		{"registry.example", "::1", false, false},
		{"registry.example", "::ffff:10.0.0.8", false, false},
		{"registry.example", "0.0.0.0", false, false},
	} {
		if err := checkRedirect(test.from, test.to); (err == nil) != test.allowed {
			t.Errorf("from %s to %s: %v", test.from, test.to, err)
		}
		at := func(host string) *http.Request {
			return &http.Request{URL: &url.URL{Scheme: "https", Host: net.JoinHostPort(host, "5000")}}
		}
		err := CheckRedirect(at(test.to), []*http.Request{at(test.from)})
		if allowed := test.allowed && !test.layers; (err == nil) != allowed {
			t.Errorf("a document from %s to %s: %v", test.from, test.to, err)
		}
	}
}

// answers is a server that gives one answer after the other, the last for ever.
func answers(t *testing.T, list ...http.HandlerFunc) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1))
		list[min(n, len(list))-1](w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	return server.URL, asked
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	}
}

func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func TestRetry(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers []http.HandlerFunc
		asked   int32
		code    int // 0 for an error
	}{
		{"a good answer", []http.HandlerFunc{status(200)}, 1, 200},
		{"one that will not change", []http.HandlerFunc{status(404), status(200)}, 1, 404},
		{"a refusal of access", []http.HandlerFunc{status(403), status(200)}, 1, 403},
		{"a failure of the server", []http.HandlerFunc{status(500), status(502), status(504), status(200)}, 4, 200},
		{"failures without end", []http.HandlerFunc{status(500)}, attempts, 500},
		{"too many requests, by seconds", []http.HandlerFunc{status(429, "Retry-After", "0"), status(200)}, 2, 200},
		{"too many requests, by a time", []http.HandlerFunc{status(503, "Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"), status(200)}, 2, 200},
		{"too many requests for long", []http.HandlerFunc{status(429, "Retry-After", "3600"), status(200)}, 1, 429},
		{"a time that is none", []http.HandlerFunc{status(429, "Retry-After", "-1"), status(200)}, 2, 200},
		{"a connection that was cut", []http.HandlerFunc{reset, reset, status(200)}, 3, 200},
		{"connections that are cut without end", []http.HandlerFunc{reset}, attempts, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			url, asked := answers(t, test.answers...)
			transport := New(false)
			transport.retry.pause = time.Millisecond
			// A PUT is made again by nobody but this transport.
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader("a manifest"))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := transport.RoundTrip(r)
			code := 0
			if err == nil {
				code = answer.StatusCode
				if body, err := io.ReadAll(answer.Body); string(body) != "a manifest" || err != nil {
					t.Errorf("what came back: %q, %v", body, err)
				}
				answer.Body.Close()
			}
			if code != test.code || asked.Load() != test.asked {
				t.Errorf("%d (%v) after %d requests, want %d after %d", code, err, asked.Load(), test.code, test.asked)
			}
		})
	}
}

// TestRetryEnds: waiting for a registry ends with the caller's context.
func TestRetryEnds(t *testing.T) {
	url, _ := answers(t, status(429, "Retry-After", "30"))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := New(false).RoundTrip(r); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
}

// TestStream: a body that cannot be had again is sent once.
func TestStream(t *testing.T) {
	url, asked := answers(t, status(500))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, url, io.MultiReader(strings.NewReader("a layer")))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := New(false).RoundTrip(r)
	if err != nil || answer.StatusCode != 500 || asked.Load() != 1 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
	answer.Body.Close()
}

func TestStall(t *testing.T) {
	drip := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte{'.'}); err != nil {
				return
			}
			http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
	}
	url, _ := answers(t, drip)
	for _, test := range []struct {
		name  string
		least int64
		want  error
	}{{"fewer bytes than are demanded", 1 << 20, ErrStalled}, {"enough of them", 1, context.DeadlineExceeded}} {
		t.Run(test.name, func(t *testing.T) {
			transport := New(false)
			transport.stall, transport.least = 100*time.Millisecond, test.least
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			// A reader that is slow itself is no stall.
			time.Sleep(200 * time.Millisecond)
			if _, err := io.Copy(io.Discard, answer.Body); !errors.Is(err, test.want) {
				t.Errorf("error: %v", err)
			}
		})
	}
}
