package store

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
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
			transport := newTransport(test.insecure)
			// Nothing is to leave the machine, so no connection is made.
			errDial := errors.New("dialled")
			transport.base.Proxy = nil
			transport.base.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, errDial
			}
			_, err := transport.RoundTrip(httptest.NewRequest(http.MethodGet, test.url, nil))
			var plain *PlainHTTPError
			if got := errors.As(err, &plain); got != test.refused || !got && !errors.Is(err, errDial) {
				t.Errorf("error %v, want a refusal: %v", err, test.refused)
			}
		})
	}
}
